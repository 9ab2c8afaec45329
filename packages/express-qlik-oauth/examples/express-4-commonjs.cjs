/** Like minimal.ts, with Express 4 and CommonJS: Node 20.19 and newer load ES modules with require(). */
const express = require('express-4')
const session = require('express-session')
const { memoryLoginStore, qlikAuth, sessionCookie } = require('express-qlik-oauth')
const { announce, port, publicUrl, registered } = require('./tenant.ts')

async function main() {
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
  app.use('/qlik', qlik.proxy())
  app.use(session(sessions))
  app.use(qlik.routes())
  app.get('/', qlik.requireLogin(), (req, res) => res.type('text').send(`Logged in as ${req.qlik.user.name}`))

  announce(qlik.attach(app.listen(port)))
}

main()
