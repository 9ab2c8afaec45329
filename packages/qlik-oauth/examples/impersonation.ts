/**
 * Calls Qlik Cloud as a user whom the application has authenticated itself.
 *
 * Set QLIK_TENANT_URL, QLIK_IMPERSONATION_CLIENT_ID, QLIK_IMPERSONATION_CLIENT_SECRET and QLIK_SUBJECT (a user's
 * subject at the tenant). Without them, a simulated tenant is started.
 */
import { impersonatedTokens, memoryLoginStore, qlikClient, tenantApi } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_TENANT_URL === undefined ? await createTenant() : undefined
const {
  QLIK_TENANT_URL: tenant = simulator?.origin ?? '',
  QLIK_IMPERSONATION_CLIENT_ID: clientId = 'demo-impersonation',
  QLIK_IMPERSONATION_CLIENT_SECRET: clientSecret = 'demo-impersonation-secret',
  QLIK_SUBJECT: subject = simulator?.users[0]?.subject ?? '',
} = process.env

const impersonator = qlikClient({ tenant, clientId, clientSecret })
const tokensOf = impersonatedTokens({ client: impersonator, store: memoryLoginStore() })

// Take the subject from your own session, never from the request: the token acts as this user.
const api = tenantApi({ tokens: tokensOf({ subject }) })
const me = await api.json({ path: '/api/v1/users/me' })
console.log(`Reading as ${me.name}.`)
for await (const app of api.list('/api/v1/items?resourceType=app')) console.log(`App: ${app.name}`)

await Promise.all([api.close(), impersonator.close()])
await simulator?.close()
