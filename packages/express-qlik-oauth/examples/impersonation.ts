/**
 * An application with its own login. Its users see their own data of the tenant, over REST and WebSockets, without
 * logging in there.
 */
import { EventEmitter } from 'node:events'
import { type IncomingMessage, ServerResponse } from 'node:http'
import express, { type Request, type Response } from 'express'
import { qlikProxy, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { impersonatedTokens, memoryLoginStore, qlikClient } from 'qlik-oauth'
import { announce, port, publicUrl, registered } from './tenant.ts'

declare module 'express-session' {
  interface SessionData {
    user?: string
  }
}

const credentials = await registered({
  appType: 'web',
  allowedGrantTypes: ['urn:qlik:oauth:user-impersonation'],
  allowedScopes: ['user_default'],
})
// The application's users and their subjects at the tenant. A real login asks for more than a name.
const subjects = new Map([
  ['ada', 'idp|ada'],
  ['ben', 'idp|ben'],
])
const secret = process.env.SESSION_SECRET ?? 'for development only'
const sessions = session({ ...sessionCookie(publicUrl), secret, resave: false, saveUninitialized: false })
const loggedOut = new EventEmitter().setMaxListeners(0)

const tokensOf = impersonatedTokens({ client: qlikClient(credentials), store: memoryLoginStore() })
const qlik = qlikProxy({
  publicUrl,
  async authenticate(request) {
    const { id, user = '' } = await sessionOf(request)
    const subject = subjects.get(user)
    if (subject === undefined) return undefined
    const onEnd = (listener: () => void) => {
      loggedOut.once(id, listener)
      return () => void loggedOut.off(id, listener)
    }
    return { tokens: tokensOf({ subject }), onEnd }
  },
})

/** The proxy runs before the application's middleware, and upgrades never reach it, so the session is loaded here. */
function sessionOf(request: IncomingMessage): Promise<Request['session']> {
  const withSession = request as Request
  const unused = new ServerResponse(request) as Response
  return new Promise((resolve, reject) =>
    sessions(withSession, unused, error => (error ? reject(error) : resolve(withSession.session))),
  )
}

const app = express()
app.use('/qlik', qlik.proxy())
app.use(sessions, express.urlencoded({ extended: false }))
app.get('/', (req, res) => void res.type('text').send(`Hello ${req.session.user ?? 'stranger'}`))
app.post('/login', (req, res, next) => {
  const user = String(req.body?.user)
  if (!subjects.has(user)) return void res.status(403).type('text').send('Unknown user.')
  req.session.regenerate(error => {
    if (error) return next(error)
    req.session.user = user
    res.redirect(303, '/')
  })
})
app.post('/logout', (req, res, next) => {
  loggedOut.emit(req.session.id)
  req.session.destroy(error => (error ? next(error) : res.redirect(303, '/')))
})

announce(qlik.attach(app.listen(port)))
