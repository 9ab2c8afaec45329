import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type Fault, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'
import { loggedIn } from '../support/visitor.ts'

let tenant: SimulatedTenant
let application: Application

beforeAll(async () => {
  tenant = await createTenant()
  application = await startApplication(tenant)
})
afterEach(() => {
  tenant.faults.clear()
  tenant.setUserStatus('ada', 'active')
})
afterAll(async () => {
  await application.close()
  await tenant.close()
})

const endings = () => application.named('loginEnded').map(({ reason }) => reason)
const items = async (visitor: Awaited<ReturnType<typeof loggedIn>>) => {
  const response = await visitor.call(application.origin)
  const { errors } = (await response.json()) as { errors?: { code: string }[] }
  return [response.status, errors?.[0]?.code]
}

describe('a user who is disabled at the tenant', () => {
  it('gets the 403 of the tenant while the access token is valid', async () => {
    const visitor = await loggedIn(tenant, application.origin)
    tenant.setUserStatus('ada', 'disabled')
    expect(await items(visitor)).toEqual([403, 'HTTP-403'])
  })

  it.each([
    ['keep', 'user_disabled'],
    ['revoke', 'refresh_refused'],
  ] as const)('is logged out at the next refresh (tokens: %s)', async (tokens, reason) => {
    const visitor = await loggedIn(tenant, application.origin)
    const before = endings().length
    tenant.setUserStatus('ada', 'disabled', tokens)
    tenant.expireAccessTokens()
    const responses = await Promise.all(Array.from({ length: 5 }, () => items(visitor)))
    expect(responses.map(([status]) => status)).toEqual([401, 401, 401, 401, 401])
    expect(endings().slice(before)).toEqual([reason])
    expect(await (await visitor.browser.get(`${application.origin}/auth/session`)).json()).toEqual({
      authenticated: false,
    })
  })

  it.each<[string, Fault]>([
    ['a 403', { path: /^\/api\/v1\/users\//, status: 403 }],
    ['a 401', { path: /^\/api\/v1\/users\//, status: 401 }],
    ['a user with the status "disabled"', { path: /^\/api\/v1\/users\//, body: { id: 'ada', status: 'disabled' } }],
    ['a 403 of the token endpoint', { grant: 'authorization_code', status: 403 }],
  ])('is refused at the login by %s, and their tokens are revoked', async (_what, fault) => {
    const tab = browser()
    const login = await tab.get(`${application.origin}/auth/login`)
    const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
    const revoked = () => tenant.requests.filter(({ path }) => path === '/oauth/revoke').length
    const before = revoked()
    tenant.faults.next(fault)
    const response = await tab.get(callback)
    const denied = [response.status, await response.text()]
    if (fault.grant === undefined) expect([...denied, revoked() - before]).toEqual([403, 'ERR_USER_REFUSED', 2])
    else expect(denied).toEqual([403, 'ERR_LOGIN_DENIED'])
    expect(application.named('denied').at(-1)).toMatchObject({ code: denied[1] })
  })
})

describe('a user with too many tokens', () => {
  it('keeps the login, and gets 403 instead of an invitation to retry', async () => {
    const visitor = await loggedIn(tenant, application.origin)
    const before = endings().length
    tenant.expireAccessTokens()
    const errors = [{ code: 'OAUTH-912', title: 'Maximum number of tokens reached', status: '403' }]
    tenant.faults.next({ grant: 'refresh_token', status: 403, body: { errors } })
    expect(await items(visitor)).toEqual([403, 'user_refused'])
    expect(endings()).toHaveLength(before)
  })
})
