import type { SimulatedTenant } from 'qlik-tenant-simulator'

/** Logs a user in as a browser without scripts would. @returns The value of the `Cookie` header of later requests. */
export async function logIn(origin: string, tenant: SimulatedTenant, user = 'ada'): Promise<string> {
  const login = await fetch(`${origin}/auth/login`, { redirect: 'manual' })
  const callback = await tenant.authorize(login.headers.get('location') ?? '', user)
  const response = await fetch(callback, { redirect: 'manual', headers: { cookie: cookiesOf(login) } })
  if (response.status !== 302) throw new Error(`The callback responded with ${response.status}`)
  return cookiesOf(response)
}

/** The cookies that a response sets, in the format of the `Cookie` header. */
export function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map(line => line.split(';')[0])
    .join('; ')
}
