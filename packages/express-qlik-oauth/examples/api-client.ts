/** Like minimal.ts, with routes that call the tenant's REST API as the user, one of which requires a scope. */
import express from 'express'
import { memoryLoginStore, qlikAuth, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { announce, port, publicUrl, registered } from './tenant.ts'

const { tenant, clientId, clientSecret } = await registered({
  appType: 'web',
  redirectUris: [`${publicUrl}/auth/callback`],
})
const secret = process.env.SESSION_SECRET ?? 'for development only'

const sessions = {
  ...sessionCookie(publicUrl),
  secret,
  store: new session.MemoryStore(),
  resave: false,
  saveUninitialized: false,
}
const qlik = qlikAuth({ tenant, clientId, clientSecret, publicUrl, session: sessions, store: memoryLoginStore() })

const app = express()
app.use(session(sessions))
app.use(qlik.routes())

// fetch renews the access token when it is due or rejected.
app.get('/', qlik.requireLogin(), async (req, res) => {
  const response = await req.qlik?.fetch('/api/v1/items?resourceType=app&limit=20')
  if (!response?.ok) return void res.status(502).type('text').send(`The tenant responded ${response?.status}`)
  const { data } = (await response.json()) as { data: { name: string }[] }
  res.json(data.map(({ name }) => name))
})

// Without the scope the response is 403 and names it.
app.get('/users', qlik.requireScope('admin_classic'), async (req, res) => {
  const response = await req.qlik?.fetch('/api/v1/users')
  res.status(response?.status ?? 502).json(await response?.json())
})

const server = app.listen(port)
announce(server)
