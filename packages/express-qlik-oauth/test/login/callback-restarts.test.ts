import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import type { ApplicationOptions } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { type RedisApplication, startRedisApplication } from '../support/redis-application.ts'

const keys = [randomBytes(32).toString('base64')]
let tenant: SimulatedTenant
let redis: RedisServer
const open: RedisApplication[] = []

beforeAll(async () => {
  ;[tenant, redis] = await Promise.all([createTenant(), startRedis()])
})
afterEach(() => Promise.all(open.splice(0).map(application => application.close())))
afterAll(() => Promise.all([tenant.close(), redis.stop()]))

async function start(options: ApplicationOptions): Promise<RedisApplication> {
  const application = await startRedisApplication(tenant, redis.url, keys, options)
  open.push(application)
  await application.redis.flushall()
  return application
}

async function callbackUrl(tab: Browser, { origin }: RedisApplication): Promise<string> {
  const login = await tab.get(`${origin}/auth/login?returnTo=/private/7`)
  return await tenant.authorize(login.headers.get('location') ?? '', 'ada')
}

/** Uses up the transaction of a callback and logs out, so that the callback is stale. */
async function staleCallback(tab: Browser, application: RedisApplication): Promise<string> {
  const callback = await callbackUrl(tab, application)
  expect((await tab.get(callback)).status).toBe(302)
  tab.cookies(application.origin).delete('sid')
  return callback
}

const codes = () => tenant.tokenRequests('authorization_code').length
const keysOf = async ({ redis: connection }: RedisApplication, kind: string) =>
  (await connection.keys(`*:${kind}`)).length

describe('a stale callback', () => {
  it('restarts the login once per state, however often and in however many variants it is replayed', async () => {
    const application = await start({ loginRateLimit: 0 })
    const tab = browser()
    const callback = await staleCallback(tab, application)
    const before = codes()
    const responses: Response[] = []
    for (let times = 0; times < 10; times++) responses.push(await tab.get(callback))
    // Base64url has room for texts that decode to the same bytes.
    for (const suffix of ['=', '==', ' ', '+', '!']) {
      const variant = new URL(callback)
      variant.searchParams.set('state', `${variant.searchParams.get('state')}${suffix}`)
      responses.push(await tab.get(variant.href))
    }
    expect(responses.filter(({ headers }) => headers.get('location')?.startsWith(tenant.origin))).toHaveLength(1)
    expect(responses.filter(({ status }) => status === 400).length).toBeGreaterThanOrEqual(9)
    expect(codes()).toBe(before)
  })

  it('restarts the login once when it arrives many times at the same moment', async () => {
    const application = await start({ loginRateLimit: 0 })
    const tab = browser()
    const callback = await staleCallback(tab, application)
    const responses = await Promise.all(Array.from({ length: 20 }, () => tab.get(callback)))
    expect(responses.filter(({ status }) => status === 302)).toHaveLength(1)
  })

  it('counts in the rate limit of logins', async () => {
    const application = await start({ loginRateLimit: 3 })
    const tab = browser()
    const callbacks = [await callbackUrl(tab, application), await callbackUrl(tab, application)]
    for (const callback of callbacks) {
      await tab.get(callback)
      tab.cookies(application.origin).delete('sid')
    }
    const statuses: number[] = []
    for (const callback of callbacks) statuses.push((await tab.get(callback)).status)
    expect(statuses).toEqual([302, 429])
    expect((await browser().get(`${application.origin}/auth/login`)).status).toBe(429)
  })

  it('200 replays of one state write no more than the rate limit allows', async () => {
    const application = await start({ loginRateLimit: 3 })
    const tab = browser()
    const callback = await staleCallback(tab, application)
    const before = codes()
    const statuses = await Promise.all(Array.from({ length: 200 }, async () => (await tab.get(callback)).status))
    expect(statuses.filter(status => status === 302).length).toBeLessThanOrEqual(1)
    expect(await keysOf(application, 'transaction')).toBeLessThanOrEqual(1)
    // Of the network and of the state.
    expect(await keysOf(application, 'counter')).toBeLessThanOrEqual(2)
    for (const name of await application.redis.keys('*')) expect(await application.redis.ttl(name)).toBeGreaterThan(0)
    expect(codes()).toBe(before)
  })
})

describe('a flood without cookies', () => {
  it('of callbacks writes nothing to Redis and sends no token request', async () => {
    const application = await start({ loginRateLimit: 5 })
    const genuine = await callbackUrl(browser(), application)
    await application.redis.flushall()
    const before = codes()
    const urls = [genuine, `${application.origin}/auth/callback?code=a&state=${'x'.repeat(100)}`, `${genuine}&iss=x`]
    const responses = await Promise.all(Array.from({ length: 300 }, (_, index) => browser().get(urls[index % 3] ?? '')))
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([400]))
    expect(await application.redis.dbsize()).toBe(0)
    expect(codes()).toBe(before)
  })

  it('of logins writes the rate limit’s number of transactions and one counter per network', async () => {
    const application = await start({ loginRateLimit: 5, trustProxy: 1 })
    const login = (address: string) => browser().get(`${application.origin}/auth/login`, { 'x-forwarded-for': address })
    const addresses = [
      '192.0.2.1',
      '192.0.2.1:4711',
      '::ffff:192.0.2.1',
      '2001:db8::a:1',
      '2001:db8::b:1',
      '[2001:db8::c:1]:80',
    ]
    const responses = await Promise.all(Array.from({ length: 120 }, (_, index) => login(addresses[index % 6] ?? '')))
    expect(responses.filter(({ status }) => status === 302)).toHaveLength(2 * 5)
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(120 - 2 * 5)
    expect(await application.redis.dbsize()).toBe(2 * 5 + 2)
  })
})

describe('a callback', () => {
  it('is not used up by a prefetch or HEAD', async () => {
    const application = await start({ loginRateLimit: 0 })
    const tab = browser()
    const callback = await callbackUrl(tab, application)
    const before = codes()
    for (const headers of [
      { 'sec-purpose': 'prefetch' },
      { 'sec-purpose': 'prefetch;prerender' },
      { purpose: 'prefetch' },
    ]) {
      const response = await tab.get(callback, headers)
      expect([response.status, response.headers.get('set-cookie')]).toEqual([204, null])
    }
    expect((await tab.request(callback, { method: 'HEAD' })).status).toBe(204)
    expect(codes()).toBe(before)
    expect((await tab.get(callback)).headers.get('location')).toBe('/private/7')
  })

  it('never passes its address on as a referrer', async () => {
    const application = await start({ loginRateLimit: 0 })
    const tab = browser()
    const callback = await callbackUrl(tab, application)
    const responses = [
      await browser().get(callback),
      await tab.get(callback, { 'sec-purpose': 'prefetch' }),
      await tab.get(callback),
      await tab.get(callback),
      await browser().get(`${application.origin}/auth/callback?error=access_denied&state=x`),
    ]
    for (const response of responses) expect(response.headers.get('referrer-policy')).toBe('no-referrer')
  })
})
