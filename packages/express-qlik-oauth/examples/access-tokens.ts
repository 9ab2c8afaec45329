/** Like impersonation.ts, but the page gets the token and talks to the tenant directly. Read the price in exposeAccessTokens first. */
import express, { type Request } from 'express'
import { exposeAccessTokens, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { client, memoryLoginStore } from 'qlik-oauth'
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
  // Pages of these origins may use the tokens.
  allowedOrigins: [publicUrl],
})
const subjects = new Map([['ada', 'idp|ada']])
const secret = process.env.SESSION_SECRET ?? 'for development only'

const app = express()
app.use(session({ ...sessionCookie(publicUrl), secret, resave: false, saveUninitialized: false }))
app.post('/login', express.urlencoded({ extended: false }), (req, res, next) => {
  const user = String(req.body?.user)
  if (!subjects.has(user)) return void res.status(403).type('text').send('Nobody has that name.')
  req.session.regenerate(error => {
    if (error) return next(error)
    req.session.user = user
    res.redirect(303, '/')
  })
})

// The page's script: `window.getToken = async () => (await (await fetch('/access-token', { method: 'POST' })).json()).accessToken`,
// and for the embed: data-auth-type="oauth2" data-get-access-token="getToken".
app.use(
  '/access-token',
  exposeAccessTokens({
    client: client(credentials),
    store: memoryLoginStore(),
    scope: 'user_default',
    publicUrl,
    userOf(request) {
      const subject = subjects.get((request as Request).session.user ?? '')
      return subject === undefined ? undefined : { subject }
    },
  }),
)

announce(app.listen(port))
