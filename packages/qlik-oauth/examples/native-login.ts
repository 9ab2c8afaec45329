/**
 * A program on the user's own machine: the user logs in with the browser, and the program gets tokens that stand for
 * them.
 *
 * Set QLIK_TENANT_URL and QLIK_NATIVE_CLIENT_ID; without them a simulated tenant is started, and its first user logs in
 * by themselves.
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
console.log(`Granted: ${tokens.scope}. The access token ends at ${new Date(tokens.expiresAt).toISOString()}.`)
if (tokens.refreshToken !== undefined)
  console.log('A refresh token came with it: keep it where only the user can read it.')

await native.close()
await simulator?.close()

/** Does what a user does with the browser. */
async function simulatedUser(address: string): Promise<void> {
  const [first] = simulator?.users ?? []
  if (simulator === undefined || first === undefined) return
  const page = await fetch(await simulator.authorize(address, first.id))
  await page.text()
}
