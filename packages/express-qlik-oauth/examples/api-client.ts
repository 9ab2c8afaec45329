/** Like minimal.ts, with pages that call the tenant's REST API themselves, as the user, and one that needs a scope. */
import express from 'express'
import { qlikAuth, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
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

// The token is renewed when it is due, and once more when the tenant refuses it; the handler sees none of that.
app.get('/', qlik.requireLogin(), async (req, res) => {
  const answer = await req.qlik?.fetch('/api/v1/items?resourceType=app&limit=20')
  if (!answer?.ok) return void res.status(502).type('text').send(`The tenant answered ${answer?.status}`)
  const { data } = (await answer.json()) as { data: { name: string }[] }
  res.json(data.map(({ name }) => name))
})

// Whoever was not granted the scope gets 403, and the answer names it.
app.get('/users', qlik.requireScope('admin_classic'), async (req, res) => {
  const answer = await req.qlik?.fetch('/api/v1/users')
  res.status(answer?.status ?? 502).json(await answer?.json())
})

const server = app.listen(port)
announce(server)
