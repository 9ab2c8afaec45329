/**
 * Logs a user in from a program on the user's own machine, in the browser.
 *
 * Set QLIK_TENANT_URL and QLIK_NATIVE_CLIENT_ID. Without them, a simulated tenant is started and its first user logs
 * in.
 */
import { loopbackLogin, openSystemBrowser, qlikClient } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'

const simulator = process.env.QLIK_TENANT_URL === undefined ? await createTenant() : undefined
const { QLIK_TENANT_URL: tenant = simulator?.origin ?? '', QLIK_NATIVE_CLIENT_ID: clientId = 'demo-native' } =
  process.env

const native = qlikClient({ tenant, clientId, scope: 'user_default offline_access' })
const { tokens, user } = await loopbackLogin({
  client: native,
  openBrowser: simulator === undefined ? openSystemBrowser : simulatedUser,
})

console.log(`Logged in as ${user.name ?? user.id}.`)
console.log(`Granted: ${tokens.scope}. The access token expires at ${new Date(tokens.expiresAt).toISOString()}.`)
if (tokens.refreshToken !== undefined)
  console.log('The tenant issued a refresh token: keep it where only the user can read it.')

await native.close()
await simulator?.close()

/** Logs the first simulated user in, in place of a browser. */
async function simulatedUser(url: string): Promise<void> {
  const [first] = simulator?.users ?? []
  if (simulator === undefined || first === undefined) return
  const page = await fetch(await simulator.authorize(url, first.id))
  await page.text()
}
