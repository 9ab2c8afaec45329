/**
 * Like impersonation.ts, but the page gets the access token and calls the tenant directly. First read the risk in the
 * documentation of exposeAccessTokens.
 */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type Request } from 'express'
import { exposeAccessTokens, memoryLoginStore, qlikClient, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import helmet from 'helmet'
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
const {
  QLIK_APP_ID: appId = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955',
  QLIK_OBJECT_ID: objectId = 'bar-life-expectancy',
} = process.env
const { tenant, clientId } = credentials
const sources = ["'self'", tenant]

const app = express()
app.use(
  helmet({
    contentSecurityPolicy: {
      directives: {
        scriptSrc: sources,
        connectSrc: [...sources, tenant.replace(/^http/, 'ws')],
        upgradeInsecureRequests: publicUrl.startsWith('https:') ? [] : null,
      },
    },
  }),
)
app.use(session({ ...sessionCookie(publicUrl), secret, resave: false, saveUninitialized: false }))
app.post('/login', express.urlencoded({ extended: false }), (req, res, next) => {
  const user = String(req.body?.user)
  if (!subjects.has(user)) return void res.status(403).type('text').send('Unknown user.')
  req.session.regenerate(error => {
    if (error) return next(error)
    req.session.user = user
    res.redirect(303, '/')
  })
})

app.use(
  '/access-token',
  exposeAccessTokens({
    client: qlikClient(credentials),
    store: memoryLoginStore(),
    scope: 'user_default',
    publicUrl,
    userOf(request) {
      const subject = subjects.get((request as Request).session.user ?? '')
      return subject === undefined ? undefined : { subject }
    },
  }),
)

app.use('/qlik-embed', express.static(dirname(fileURLToPath(import.meta.resolve('@qlik/embed-web-components')))))
app.get('/token.js', (_req, res) => {
  res.type('js').send(`window.accessToken = async () => {
    const response = await fetch('/access-token', { method: 'POST' })
    if (!response.ok) throw new Error('No access token: ' + response.status)
    return (await response.json()).accessToken
  }`)
})
app.get('/', (req, res) => {
  const body =
    req.session.user === undefined
      ? '<form method="post" action="/login"><button name="user" value="ada">Log in as Ada</button></form>'
      : `<script src="/token.js"></script>
<script src="/qlik-embed/index.js" data-host="${tenant}" data-client-id="${clientId}" data-auth-type="oauth2"
  data-get-access-token="accessToken"></script>
<div style="height: 30rem">
<qlik-embed ui="analytics/chart" app-id="${encodeURIComponent(appId)}" object-id="${encodeURIComponent(objectId)}"></qlik-embed>
</div>`
  res.send(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Token in the page</title><link rel="icon" href="data:,">\n${body}`,
  )
})

announce(app.listen(port))
