import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { bearer, call, errorCode, logIn, post, type Tokens, webClient } from '../../test/support/client.ts'
import { createTenant, type SimulatedTenant } from '../index.ts'

let tenant: SimulatedTenant
let tokens: Tokens
beforeAll(async () => {
  tenant = await createTenant()
  tokens = await logIn(tenant, 'ada')
})
afterEach(() => tenant.faults.clear())
afterAll(() => tenant.close())

const items = () => call(`${tenant.origin}/api/v1/items`, { headers: bearer(tokens) })

describe('faults', () => {
  it('are injected once into the next matching request', async () => {
    tenant.faults.next({ path: '/api/v1/items', method: 'get', status: 429, retryAfter: 7 })
    expect((await call(`${tenant.origin}/api/v1/spaces`, { headers: bearer(tokens) })).status).toBe(200)
    const response = await items()
    expect([response.status, response.headers.get('retry-after'), errorCode(response)]).toEqual([429, '7', 'HTTP-429'])
    expect((await items()).status).toBe(200)
  })

  it('are injected until disarmed', async () => {
    const stop = tenant.faults.always({ path: /items/, status: 500 })
    expect([(await items()).status, (await items()).status]).toEqual([500, 500])
    stop()
    expect((await items()).status).toBe(200)
  })

  it('hold a request until it is released', async () => {
    const { injected, release } = tenant.faults.next({ path: '/api/v1/items', hold: true })
    const response = items()
    expect(await injected).toMatchObject({ method: 'GET', path: '/api/v1/items' })
    release()
    expect((await response).status).toBe(200)
  })

  it.each([[{ reset: true }], [{ resetMidBody: true }]])('close the connection: %j', async fault => {
    tenant.faults.next(fault)
    await expect(items()).rejects.toThrow()
  })

  it('send an invalid or large body', async () => {
    tenant.faults.next({ garbage: true })
    expect((await items()).body.text).toContain('<!doctype html>')
    tenant.faults.next({ hugeBody: 1_000_000 })
    expect((await items()).headers.get('content-length')).toBe('1000000')
  })

  it('lose the response after the tenant has processed the request', async () => {
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...webClient }
    tenant.faults.next({ grant: 'refresh_token', when: 'after', reset: true })
    await expect(post(`${tenant.origin}/oauth/token`, refresh)).rejects.toThrow()
    expect((await post(`${tenant.origin}/oauth/token`, refresh)).status).toBe(401)
  })
})

describe('the request log', () => {
  it('records requests and issued secrets', async () => {
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
