/**
 * An application with its own login. Its users see their own data of the tenant, over REST and WebSockets, without
 * logging in there.
 */
import express from 'express'
import {
  fromMiddleware,
  impersonatedTokens,
  memoryLoginStore,
  qlikClient,
  qlikProxy,
  sessionCookie,
} from 'express-qlik-oauth'
import session from 'express-session'
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

const tokensOf = impersonatedTokens({ client: qlikClient(credentials), store: memoryLoginStore() })
const authenticate = fromMiddleware([sessions], ({ session: { user = '' }, sessionID: id }) => {
  const subject = subjects.get(user)
  return subject === undefined ? undefined : { user, id, tokens: tokensOf({ subject }) }
})
const qlik = qlikProxy({ publicUrl, authenticate })

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
  authenticate.end({ id: req.session.id })
  req.session.destroy(error => (error ? next(error) : res.redirect(303, '/')))
})

announce(qlik.attach(app.listen(port)))
