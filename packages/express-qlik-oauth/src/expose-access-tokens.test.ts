import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { memoryLoginStore, qlikClient, type UserLookup } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import request, { type Test } from 'supertest'
import { type ExposeAccessTokensOptions, exposeAccessTokens } from './expose-access-tokens.ts'

let tenant: SimulatedTenant
let options: ExposeAccessTokensOptions
const grant = 'urn:qlik:oauth:user-impersonation'
const publicUrl = 'https://app.example.com'

beforeAll(async () => {
  tenant = await createTenant()
})
beforeEach(() => {
  tenant.faults.clear()
  options = {
    client: qlikClient({
      tenant: tenant.origin,
      clientId: 'demo-impersonation',
      clientSecret: 'demo-impersonation-secret',
    }),
    store: memoryLoginStore(),
    scope: 'user_default',
    publicUrl,
    userOf: ({ headers }) => (headers['x-user'] === undefined ? undefined : { subject: `idp|${headers['x-user']}` }),
  }
})
afterAll(() => tenant.close())

const asked = (user: string | undefined = 'ada', changes: Partial<ExposeAccessTokensOptions> = {}): Test => {
  const test = request(exposeAccessTokens({ ...options, ...changes }))
    .post('/access-token')
    .set('sec-fetch-site', 'same-origin')
  return user === undefined ? test : test.set('x-user', user)
}

describe('exposed access tokens', () => {
  it('belong to the user, have the configured scope, and are not cached', async () => {
    const { status, headers, body } = await asked('ben')
    expect([status, headers['cache-control'], headers['access-control-allow-origin']]).toEqual([
      200,
      'no-store',
      undefined,
    ])
    expect(Object.keys(body)).toEqual(['accessToken'])
    expect(tenant.tokenRequests(grant).at(-1)?.body).toMatchObject({
      user_lookup: { field: 'subject', value: 'idp|ben' },
      scope: 'user_default',
    })
    const authorization = `Bearer ${body.accessToken}`
    const me = await fetch(`${tenant.origin}/api/v1/users/me`, { headers: { authorization } })
    expect(await me.json()).toMatchObject({ email: 'ben@example.com' })
  })

  it('are shared by all requests of one user and differ between users', async () => {
    const endpoint = exposeAccessTokens(options)
    const of = async (user: string) =>
      (await request(endpoint).post('/').set('origin', publicUrl).set('x-user', user)).body.accessToken
    const before = tenant.tokenRequests(grant).length
    const [first, second, other] = await Promise.all([of('ada'), of('ada'), of('ben')])
    expect(first).toBe(second)
    expect(first).not.toBe(other)
    expect(tenant.tokenRequests(grant).length).toBe(before + 2)
  })

  it.each([
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a page of a neighbouring host', { 'sec-fetch-site': 'same-site', origin: 'https://other.example.com' }],
    ['a browser that does not say', {}],
    ['an origin that begins alike', { origin: `${publicUrl}.evil.example` }],
    ['a sandboxed page', { origin: 'null' }],
  ])('are not given to %s', async (_what, headers: Record<string, string>) => {
    const before = tenant.tokenRequests(grant).length
    const refused = await request(exposeAccessTokens(options)).post('/').set('x-user', 'ada').set(headers)
    expect([refused.status, refused.body.errors[0].code]).toEqual([403, 'cross_site'])
    expect(tenant.tokenRequests(grant).length).toBe(before)
  })

  it('are not given to visitors', async () => {
    const refused = await request(exposeAccessTokens(options)).post('/').set('sec-fetch-site', 'same-origin')
    expect([refused.status, refused.body.errors[0].code]).toEqual([401, 'login_required'])
  })

  it('are not given for GET, which a link or an image can send', async () => {
    const refused = await request(exposeAccessTokens(options))
      .get('/')
      .set('sec-fetch-site', 'same-origin')
      .set('x-user', 'ada')
    expect([refused.status, refused.headers.allow]).toEqual([405, 'POST'])
  })

  it('are refused with an error response when the tenant or the application fails', async () => {
    expect((await asked('dan')).status).toBe(502)
    expect((await asked('nobody')).status).toBe(502)
    const failed = await asked('ada', {
      userOf: () => {
        throw new Error('the database says no')
      },
    })
    expect([failed.status, failed.text]).toEqual([500, expect.not.stringContaining('database')])
    const wrong = await asked('ada', { userOf: () => ({ subject: '' }) as UserLookup })
    expect(wrong.status).toBe(500)
  })

  it.each(['admin_classic', 'admin.apps', 'user_default offline_access', 'tenants:create', ''])(
    'never have the scope %j',
    scope => {
      expect(() => exposeAccessTokens({ ...options, scope })).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
      )
    },
  )

  it('require a client with a secret', () => {
    const open = qlikClient({ tenant: tenant.origin, clientId: 'demo-spa' })
    expect(() => exposeAccessTokens({ ...options, client: open })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    )
  })
})
