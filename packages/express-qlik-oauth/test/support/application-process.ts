/**
 * One process of an application that is mounted as in the README. It reads its settings from SETTINGS, prints its
 * origin and then every event as a line of JSON, and ends with its standard input.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type ErrorRequestHandler } from 'express'
import session, { type SessionOptions } from 'express-session'
import { redisLoginStore } from 'qlik-oauth'
import { qlikAuth, sessionCookie } from '../../src/index.ts'
import type { ProcessSettings } from './application-processes.ts'
import { eventNames } from './event-names.ts'
import { redisPairs } from './redis-pairs.ts'

const { redisUrl, keys, sessionSecret, pair, ...options }: ProcessSettings = JSON.parse(process.env.SETTINGS ?? '')
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const redis = await redisPairs[pair ?? 'ioredis 5, connect-redis 8.1']?.(redisUrl)
if (redis === undefined) throw new Error(`There is no pair ${pair}`)
const store = redisLoginStore(redis.client, {
  keys,
  commandTimeoutMs: 10_000,
  onEvent: event => print({ name: 'store', event }),
})
const sessions: SessionOptions = {
  ...sessionCookie(options.publicUrl),
  secret: sessionSecret,
  store: redis.sessions,
  resave: false,
  saveUninitialized: false,
}
const qlik = qlikAuth({ ...options, session: sessions, store })
for (const name of eventNames) qlik.on(name, event => print({ name, event }))

const failed: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(error.status ?? 500).json({ code: error.code, message: error.message })
}

const dashboard = `<!doctype html><html lang="en"><title>Dashboard</title><link rel="icon" href="data:,">
<script src="/embed/index.js" data-host="${options.publicUrl}/qlik" data-auth-type="none"></script>
<div style="height: 30rem">
<qlik-embed ui="analytics/chart" app-id="5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955" object-id="bar-life-expectancy"></qlik-embed>
</div>`

const app = express()
app.use(session(sessions))
app.use(qlik.routes())
app.get('/private', qlik.requireLogin(), (request, response) => void response.json(request.qlik))
app.get('/admin/logins/:user', async (request, response) => void response.json(await qlik.logins(request.params.user)))
app.delete(
  '/admin/logins/:user',
  async (request, response) => void response.json(await qlik.endLogins(request.params.user)),
)
app.use('/embed', express.static(dirname(fileURLToPath(import.meta.resolve('@qlik/embed-web-components')))))
app.get('/dashboard', (_request, response) => void response.send(dashboard))
app.use(failed)

const server = createServer(qlik.handler(app))
qlik.attach(server)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
print({ origin: `http://localhost:${(server.address() as AddressInfo).port}` })

await once(process.stdin.resume(), 'end')
server.close()
server.closeAllConnections()
await qlik.close()
await store.close()
await redis.close()
