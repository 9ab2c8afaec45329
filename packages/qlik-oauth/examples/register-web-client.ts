/**
 * Registers the OAuth client of a web application that authenticates with a private key instead of a secret.
 *
 * Set QLIK_TENANT_URL, QLIK_M2M_CLIENT_ID and QLIK_M2M_CLIENT_SECRET of an administrator. Without them, a simulated
 * tenant is started.
 */
import { generateClientKeys, machineTokens, memoryLoginStore, oauthClients, qlikClient } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_TENANT_URL === undefined ? await createTenant() : undefined
const {
  QLIK_TENANT_URL: tenant = simulator?.origin ?? '',
  QLIK_M2M_CLIENT_ID: clientId = 'demo-m2m',
  QLIK_M2M_CLIENT_SECRET: clientSecret = 'demo-m2m-secret',
} = process.env

const administrator = qlikClient({ tenant, clientId, clientSecret })
const registered = oauthClients({ tokens: machineTokens({ client: administrator, store: memoryLoginStore() }) })

// Keep the private key secret; privateKeyJwt({ key: privateKey }) authenticates with it.
const { publicKey } = await generateClientKeys('ES384')
const created = await registered.create({
  appType: 'web',
  clientName: 'Express application',
  redirectUris: ['https://app.example.com/auth/callback'],
  allowedScopes: ['user_default', 'offline_access'],
  allowedAuthMethods: ['private_key_jwt'],
  publicKeys: [publicKey],
})
console.log(`Registered ${created.clientName} as ${created.clientId}, with the key ${publicKey.kid}.`)

for await (const { appType, clientName } of registered.list({ filter: 'appType eq "web"' }))
  console.log(`${appType}: ${clientName}`)

await Promise.all([registered.close(), administrator.close()])
await simulator?.close()
