/**
 * Qlik Cloud login, and the tenant at /qlik: the lines of the README, with a simulated tenant unless the environment
 * names a real one.
 */
import express from 'express'
import { memoryLoginStore, qlikAuth, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { announce, port, publicUrl, registered } from './tenant.ts'

const { tenant, clientId, clientSecret } = await registered({
  appType: 'web',
  redirectUris: [`${publicUrl}/auth/callback`],
})
const secret = process.env.SESSION_SECRET ?? 'for development only'

const store = new session.MemoryStore()
const sessions = { ...sessionCookie(publicUrl), secret, store, resave: false, saveUninitialized: false }
const qlik = qlikAuth({ tenant, clientId, clientSecret, publicUrl, session: sessions, store: memoryLoginStore() })

const app = express()
app.use('/qlik', qlik.proxy())
app.use(session(sessions))
app.use(qlik.routes())
app.get('/', qlik.requireLogin(), (req, res) => void res.type('text').send(`Logged in as ${req.qlik?.user.name}`))

const server = qlik.attach(app.listen(port))
announce(server)
