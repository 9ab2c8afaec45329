/**
 * Requests tokens for a public page with the access code of an app's anonymous link, without a user or a secret.
 *
 * Set QLIK_TENANT_URL, QLIK_ANONYMOUS_CLIENT_ID and QLIK_ACCESS_CODE. Without them, a simulated tenant is started.
 */
import { anonymousTokens, currentUser, memoryLoginStore, qlikClient } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_TENANT_URL === undefined ? await createTenant() : undefined
const {
  QLIK_TENANT_URL: tenant = simulator?.origin ?? '',
  QLIK_ANONYMOUS_CLIENT_ID: clientId = 'demo-anonymous',
  QLIK_ACCESS_CODE: accessCode = 'demo-access-code',
} = process.env

const page = qlikClient({ tenant, clientId })
const tokens = anonymousTokens({ client: page, store: memoryLoginStore(), accessCode })
const visitor = await currentUser(page, await tokens.accessToken())
console.log(`The tenant calls this visitor ${visitor.name ?? visitor.id}.`)

await page.close()
await simulator?.close()
