/**
 * A public page: visitors see the app of an access code without a login. Not confirmed against a real tenant; see the
 * README.
 */
import express from 'express'
import { anonymousTokens, memoryLoginStore, qlikClient, qlikProxy } from 'express-qlik-oauth'
import { announce, port, publicUrl, registered } from './tenant.ts'

// The parameter `eac` of the app's link for anonymous access.
const accessCode = process.env.QLIK_ACCESS_CODE ?? 'example-access-code'
const { tenant, clientId } = await registered({
  appType: 'anonymous-embed',
  allowedScopes: ['user_default'],
  accessCodes: [accessCode],
})

const tokens = anonymousTokens({ client: qlikClient({ tenant, clientId }), store: memoryLoginStore(), accessCode })
const qlik = qlikProxy({ publicUrl, authenticate: async () => ({ tokens }) })

const app = express()
app.use('/qlik', qlik.proxy())
app.get('/', (_req, res) => void res.type('text').send('The app is public below /qlik.'))

const server = qlik.attach(app.listen(port))
announce(server)
