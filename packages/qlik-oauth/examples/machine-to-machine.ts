/**
 * Calls Qlik Cloud as a machine (client credentials), with one token for all requests and processes.
 *
 * Set QLIK_TENANT_URL, QLIK_M2M_CLIENT_ID and QLIK_M2M_CLIENT_SECRET. Without them, a simulated tenant is started.
 */
import { machineTokens, memoryLoginStore, qlikClient, tenantApi } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_TENANT_URL === undefined ? await createTenant() : undefined
const {
  QLIK_TENANT_URL: tenant = simulator?.origin ?? '',
  QLIK_M2M_CLIENT_ID: clientId = 'demo-m2m',
  QLIK_M2M_CLIENT_SECRET: clientSecret = 'demo-m2m-secret',
} = process.env

const machine = qlikClient({ tenant, clientId, clientSecret })
// With redisLoginStore, processes share the token.
const api = tenantApi({ tokens: machineTokens({ client: machine, store: memoryLoginStore() }) })

const me = await api.json({ path: '/api/v1/users/me' })
console.log(`I am ${me.subject} at ${tenant}.`)
for await (const app of api.list('/api/v1/items?resourceType=app')) console.log(`App: ${app.name}`)

await Promise.all([api.close(), machine.close()])
await simulator?.close()
