/**
 * Creates a tenant for a new customer with a region client, configures it as its administrator, registers an OAuth
 * client there and imports an app.
 *
 * Set QLIK_REGION, QLIK_REGION_CLIENT_ID, QLIK_REGION_CLIENT_SECRET and QLIK_LICENSE_KEY to create a real tenant.
 * Without them, a simulated region is used.
 */
import { machineTokens, memoryLoginStore, oauthClients, regionClient, tenantApi } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_REGION === undefined ? await createTenant() : undefined
const {
  QLIK_REGION: region = 'eu',
  QLIK_REGION_CLIENT_ID: clientId = 'demo-region',
  QLIK_REGION_CLIENT_SECRET: clientSecret = 'demo-region-secret',
  QLIK_LICENSE_KEY: licenseKey = 'a signed license key',
} = process.env
const store = memoryLoginStore()

const provider = regionClient({
  region,
  clientId,
  clientSecret,
  store,
  ...(simulator === undefined ? {} : { registerOrigin: simulator.regionOrigin }),
})
const tenant = await provider.createTenant({ licenseKey })
console.log(`Created ${tenant.origin} in ${tenant.datacenter}.`)

// The same client inside the new tenant has another host and another token.
const inside = provider.at(tenant.origin)
const tokens = machineTokens({ client: inside, store })
const api = tenantApi({ tokens })

const space = await api.json({ method: 'POST', path: '/api/v1/spaces', json: { name: 'Analytics', type: 'shared' } })
console.log(`Configured the space ${space.name}.`)

const clients = oauthClients({ tokens })
const { clientId: registered } = await clients.create({
  appType: 'web',
  clientName: 'Customer portal',
  redirectUris: ['https://portal.example.com/auth/callback'],
  allowedScopes: ['user_default', 'offline_access'],
})
console.log(`Registered the client ${registered}.`)

const headers = { 'content-type': 'application/octet-stream' }
const path = `/api/v1/apps/import?name=Sales&spaceId=${encodeURIComponent(String(space.id))}`
await api.request({ method: 'POST', path, headers, body: Buffer.from('the bytes of a .qvf file') })
console.log('Imported the app Sales.')

await Promise.all([clients.close(), api.close(), inside.close(), provider.close()])
await simulator?.close()
