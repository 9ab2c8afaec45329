import type { Server } from 'node:http'
import { type ClientRegistration, createTenant } from 'qlik-tenant-simulator'

/** What the examples share: where they listen, and the tenant they speak to. Nothing here is what they show. */
export const port = Number(process.env.PORT ?? 3000)
export const publicUrl = process.env.PUBLIC_URL ?? `http://localhost:${port}`

type Registration = Omit<ClientRegistration, 'clientId'>

/**
 * Tenant and client from the environment, `QLIK_TENANT_URL`, `QLIK_CLIENT_ID` and `QLIK_CLIENT_SECRET`, or else a
 * tenant that is simulated in this process.
 *
 * @param registration How the client is, or has to be, registered at the tenant.
 * @param prefix Begins the names of the variables.
 */
export async function registered(registration: Registration | ((tenant: string) => Registration), prefix = 'QLIK') {
  const given = (name: string) => process.env[`${prefix}_${name}`] ?? ''
  if (given('TENANT_URL') !== '') {
    return { tenant: given('TENANT_URL'), clientId: given('CLIENT_ID'), clientSecret: given('CLIENT_SECRET') }
  }
  const simulated = await createTenant()
  const { clientId, clientSecret = '' } = simulated.registerClient({
    clientId: 'example',
    ...(typeof registration === 'function' ? registration(simulated.origin) : registration),
  })
  return { tenant: simulated.origin, clientId, clientSecret }
}

/** Says where the example is, once it serves. */
export function announce(server: Server): void {
  server.once('listening', () => process.stdout.write(`Open ${publicUrl}\n`))
}
