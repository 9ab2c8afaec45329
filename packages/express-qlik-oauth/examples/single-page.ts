/**
 * A single-page application: the browser is the OAuth client and holds the token. The server provides its configuration
 * and the callback page.
 */
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
const {
  QLIK_APP_ID: appId = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955',
  QLIK_OBJECT_ID: objectId = 'bar-life-expectancy',
} = process.env
const page = singlePageClient({ tenant, clientId, publicUrl })

const app = express()
app.use(helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }))
// index.js and oauth-callback.js of Qlik's package.
app.use('/qlik-embed', express.static(dirname(fileURLToPath(import.meta.resolve('@qlik/embed-web-components')))))
app.get('/spa/callback', page.callback)
app.get('/', (_req, res) => {
  res.send(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Single page</title>
<script src="/qlik-embed/index.js" ${page.attributes}></script>
<div style="height: 30rem">
<qlik-embed ui="analytics/chart" app-id="${encodeURIComponent(appId)}" object-id="${encodeURIComponent(objectId)}"></qlik-embed>
</div>`)
})

announce(app.listen(port))
