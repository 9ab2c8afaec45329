import { afterEach, describe, expect, it } from '@jest/globals'
import { currentUser, machineTokens, memoryLoginStore, type QlikClient, qlikClient, tenantApi } from 'qlik-oauth'
import { createAuthorizationRequest, validateAuthorizationResponse } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { startApplication } from '../support/application.ts'
import { loggedIn } from '../support/visitor.ts'
import { closeAll, closing } from '../support/wire.ts'

afterEach(closeAll)

/** A tenant whose metadata, links and redirects name `localhost`, and which is also reached as `127.0.0.1`. */
async function aliasedTenant(): Promise<{ simulated: SimulatedTenant; tenant: string; original: string }> {
  const simulated = await createTenant({ authorizationResponseIss: true })
  closing(() => simulated.close())
  return {
    simulated,
    original: simulated.origin,
    tenant: simulated.origin.replace('localhost', '127.0.0.1'),
  }
}

function machine(tenant: string, aliases?: readonly string[]): QlikClient {
  const options = { tenant, clientId: 'demo-m2m', clientSecret: 'demo-m2m-secret' }
  const client = qlikClient(aliases === undefined ? options : { ...options, aliases })
  closing(() => client.close())
  return client
}

describe('a tenant that is configured by its alias', () => {
  it('logs users in, and its links to the original host lead to the proxy', async () => {
    const { simulated, tenant, original } = await aliasedTenant()
    const application = await startApplication(simulated, { tenant, aliases: [original] })
    closing(() => application.close())
    const visitor = await loggedIn(simulated, application.origin)
    const list = await visitor.call(application.origin, '/qlik/api/v1/items?limit=1')
    const { data, links } = await list.json()
    expect(links.next.href).toMatch(`${application.origin}/qlik/api/v1/items?`)
    expect(data[0].links.self.href).toMatch(`${application.origin}/qlik/api/v1/items/`)
    const me = await visitor.call(application.origin, '/qlik/api/v1/users/me')
    expect(me.headers.get('location') ?? '').toMatch(/^\/qlik\/api\/v1\/users\//)
    const { host } = new URL(tenant)
    const withTokens = simulated.requests.filter(({ headers }) => headers.authorization !== undefined)
    expect(new Set(withTokens.map(({ headers }) => headers.host))).toEqual(new Set([host]))
  })

  it('is called at that alias alone, by redirects and pages too', async () => {
    const { simulated, tenant, original } = await aliasedTenant()
    const client = machine(tenant, [original])
    const tokens = machineTokens({ client, store: memoryLoginStore() })
    expect(await currentUser(client, await tokens.accessToken())).toHaveProperty('id')
    const api = tenantApi({ tokens })
    closing(() => api.close())
    let entries = 0
    for await (const _item of api.list('/api/v1/oauth-clients?limit=1')) entries += 1
    expect(entries).toBeGreaterThan(1)
    expect(new Set(simulated.requests.map(({ headers }) => headers.host))).toEqual(new Set([new URL(tenant).host]))
  })

  it('without the option: the error names both hosts and the option', async () => {
    const { tenant, original } = await aliasedTenant()
    const request = createAuthorizationRequest(machine(tenant), { redirectUri: 'http://localhost/cb', state: 'x' })
    await expect(request).rejects.toMatchObject({
      code: 'ERR_ISSUER',
      message: `The OAuth metadata of ${tenant} names the issuer ${original}, expected ${tenant}. If both are names of the same tenant, set aliases: ["${original}"]`,
    })
  })

  it('accepts iss of its configured names only', async () => {
    const { tenant, original } = await aliasedTenant()
    const client = machine(tenant, [original])
    const code = (iss: string) =>
      validateAuthorizationResponse(client, new URLSearchParams({ code: 'the-code', state: 'x', iss }), 'x')
    expect(await code(original)).toBe('the-code')
    expect(await code(tenant)).toBe('the-code')
    for (const iss of ['https://other.eu.qlikcloud.com', `${original}.evil.example`, '', 'null'])
      await expect(code(iss)).rejects.toMatchObject({ code: 'ERR_CALLBACK_INVALID' })
  })

  it.each([
    [['https://acme.eu.qlikcloud.com'], 'aliases must not contain the tenant itself'],
    [['http://acme.example'], 'aliases[0] must be the origin of a Qlik Cloud tenant'],
    [['https://acme.example/path'], 'aliases[0] must be the origin'],
    ['https://acme.example', 'aliases must be a list of origins'],
  ])('refuses aliases %j', (aliases, message) => {
    const options = { tenant: 'https://acme.eu.qlikcloud.com', clientId: 'x', aliases } as Parameters<
      typeof qlikClient
    >[0]
    expect(() => qlikClient(options)).toThrow(message)
  })
})
