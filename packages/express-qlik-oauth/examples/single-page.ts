/** A single-page application: the browser is the OAuth client and holds the token. The server gives it its configuration and a callback page. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { singlePageClient } from 'express-qlik-oauth'
import helmet from 'helmet'
import { announce, port, publicUrl, registered } from './tenant.ts'

const { tenant, clientId } = await registered({
  appType: 'spa',
  redirectUris: [`${publicUrl}/spa/callback`],
  allowedOrigins: [publicUrl],
  allowedScopes: ['user_default'],
})
const page = singlePageClient({ tenant, clientId, publicUrl })

const app = express()
app.use(helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }))
// index.js and oauth-callback.js, as Qlik publishes them.
app.use('/qlik-embed', express.static(dirname(fileURLToPath(import.meta.resolve('@qlik/embed-web-components')))))
app.get('/spa/callback', page.callback)
app.get('/', (_req, res) => {
  const appId = encodeURIComponent(process.env.QLIK_APP_ID ?? 'gapminder')
  res.send(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Single page</title>
<script src="/qlik-embed/index.js" ${page.attributes}></script>
<qlik-embed ui="classic/app" app-id="${appId}"></qlik-embed>`)
})

announce(app.listen(port))
