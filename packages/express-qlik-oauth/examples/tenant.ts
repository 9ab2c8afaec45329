import type { Server } from 'node:http'
import { type ClientRegistration, createTenant } from 'qlik-tenant-simulator'

/** Shared by the examples: where they listen, and the tenant they use. */
export const port = Number(process.env.PORT ?? 3000)
export const publicUrl = process.env.PUBLIC_URL ?? `http://localhost:${port}`

type Registration = Omit<ClientRegistration, 'clientId'>

/**
 * Tenant and client from the environment variables `QLIK_TENANT_URL`, `QLIK_CLIENT_ID` and `QLIK_CLIENT_SECRET`;
 * otherwise a tenant that is simulated in this process.
 *
 * @param registration How the client must be registered at the tenant.
 * @param prefix Prefix of the variables.
 */
export async function registered(registration: Registration | ((tenant: string) => Registration), prefix = 'QLIK') {
  const variable = (name: string) => process.env[`${prefix}_${name}`] ?? ''
  if (variable('TENANT_URL') !== '') {
    return { tenant: variable('TENANT_URL'), clientId: variable('CLIENT_ID'), clientSecret: variable('CLIENT_SECRET') }
  }
  const simulated = await createTenant()
  const { clientId, clientSecret = '' } = simulated.registerClient({
    clientId: 'example',
    ...(typeof registration === 'function' ? registration(simulated.origin) : registration),
  })
  return { tenant: simulated.origin, clientId, clientSecret }
}

/** Prints the address once the server listens. */
export function announce(server: Server): void {
  server.once('listening', () => process.stdout.write(`Open ${publicUrl}\n`))
}
