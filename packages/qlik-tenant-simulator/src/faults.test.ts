import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { bearer, call, errorCode, logIn, post, type Tokens, webClient } from '../test/support/client.ts'
import { createTenant, type SimulatedTenant } from './index.ts'

let tenant: SimulatedTenant
let tokens: Tokens
beforeAll(async () => {
  tenant = await createTenant()
  tokens = await logIn(tenant, 'ada')
})
afterEach(() => tenant.faults.clear())
afterAll(() => tenant.close())

const items = () => call(`${tenant.origin}/api/v1/items`, { headers: bearer(tokens) })

describe('scripted faults', () => {
  it('strike once, where they fit', async () => {
    tenant.faults.next({ path: '/api/v1/items', method: 'get', status: 429, retryAfter: 7 })
    expect((await call(`${tenant.origin}/api/v1/spaces`, { headers: bearer(tokens) })).status).toBe(200)
    const struck = await items()
    expect([struck.status, struck.headers.get('retry-after'), errorCode(struck)]).toEqual([429, '7', 'HTTP-429'])
    expect((await items()).status).toBe(200)
  })

  it('strike until they are called off', async () => {
    const stop = tenant.faults.always({ path: /items/, status: 500 })
    expect([(await items()).status, (await items()).status]).toEqual([500, 500])
    stop()
    expect((await items()).status).toBe(200)
  })

  it('hold a request until it is released', async () => {
    const { struck, release } = tenant.faults.next({ path: '/api/v1/items', hold: true })
    const answer = items()
    expect(await struck).toMatchObject({ method: 'GET', path: '/api/v1/items' })
    release()
    expect((await answer).status).toBe(200)
  })

  it.each([[{ reset: true }], [{ resetMidBody: true }]])('cut the connection: %j', async fault => {
    tenant.faults.next(fault)
    await expect(items()).rejects.toThrow()
  })

  it('spoil the answer', async () => {
    tenant.faults.next({ garbage: true })
    expect((await items()).body.text).toContain('<!doctype html>')
    tenant.faults.next({ hugeBody: 1_000_000 })
    expect((await items()).headers.get('content-length')).toBe('1000000')
  })

  it('lose an answer after the tenant has done its work', async () => {
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...webClient }
    tenant.faults.next({ grant: 'refresh_token', when: 'after', reset: true })
    await expect(post(`${tenant.origin}/oauth/token`, refresh)).rejects.toThrow()
    expect((await post(`${tenant.origin}/oauth/token`, refresh)).status).toBe(401)
  })
})

describe('the record of requests', () => {
  it('holds what was sent, and what may never be seen elsewhere', async () => {
    const fresh = await logIn(tenant, 'ben')
    expect(tenant.tokenRequests('authorization_code').at(-1)?.body).toMatchObject({ client_id: 'demo-web' })
    expect(tenant.tokenRequests('client_credentials')).toEqual([])
    expect(tenant.issuedSecrets()).toEqual(
      expect.arrayContaining([fresh.access_token, fresh.refresh_token, 'demo-web-secret']),
    )
    const waiting = tenant.waitForRequest('/api/v1/features')
    await call(`${tenant.origin}/api/v1/features`, { headers: bearer(fresh) })
    expect((await waiting).headers.authorization).toBe(`Bearer ${fresh.access_token}`)
  })
})
