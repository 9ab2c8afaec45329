/** Like redis.ts, with node-redis instead of ioredis. */
// Here under another name, beside the version for ioredis; in an application it is 'connect-redis'.
import { RedisStore } from 'connect-redis-10'
import express from 'express'
import { qlikAuth, redisLoginStore, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { createClient } from 'redis'
import { announce, port, publicUrl, registered } from './tenant.ts'

const { tenant, clientId, clientSecret } = await registered({
  appType: 'web',
  redirectUris: [`${publicUrl}/auth/callback`],
})
const secret = process.env.SESSION_SECRET ?? 'for development only'
// Keys of 32 bytes in base64, newest first, separated by commas. Make one with: openssl rand -base64 32
const keys = (process.env.TOKEN_KEYS ?? Buffer.alloc(32, 'development').toString('base64')).split(',')

const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })
redis.on('error', error => process.stderr.write(`Redis: ${error.message}\n`))
await redis.connect()

const sessions = {
  ...sessionCookie(publicUrl),
  secret,
  // As long as a login may last, because proxied requests do not touch the session.
  store: new RedisStore({ client: redis, ttl: 43_200 }),
  resave: false,
  saveUninitialized: false,
}
const store = redisLoginStore(redis, { keys })
const qlik = qlikAuth({ tenant, clientId, clientSecret, publicUrl, session: sessions, store })

const app = express()
app.use('/qlik', qlik.proxy())
app.use(session(sessions))
app.use(qlik.routes())
app.get('/', qlik.requireLogin(), (req, res) => void res.type('text').send(`Logged in as ${req.qlik?.user.name}`))
app.get('/readyz', (_req, res, next) => void qlik.ready().then(() => res.send('ready'), next))

const server = qlik.attach(app.listen(port))
announce(server)

process.once('SIGTERM', async () => {
  const closed = new Promise(resolve => server.close(resolve))
  await qlik.close({ graceMs: 5000 })
  await closed
  await store.close()
  redis.destroy()
  process.exit()
})
