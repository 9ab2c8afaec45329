import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { sign } from 'cookie-signature'
import { loginKey } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { until } from 'test-support/until'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { startRedisApplication } from '../support/redis-application.ts'
import { loggedIn, sessionIdOf, type Visitor } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let tenant: SimulatedTenant
let redis: RedisServer
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  ;[redis, tenant] = await startAll(startRedis(), createTenant())
})
afterEach(() => Promise.all(open.splice(0).map(application => application.close())))
afterAll(async () => {
  await Promise.all([tenant.close(), redis.stop()])
})

const applications: [string, (options?: ApplicationOptions, storeKeys?: string[]) => Promise<Application>][] = [
  ['memory', options => startApplication(tenant, options)],
  ['Redis', (options, storeKeys = keys) => startRedisApplication(tenant, redis.url, storeKeys, options)],
]

const idOf = (visitor: Visitor) => loginKey(sessionIdOf(visitor.cookie()))
const userOf = (application: Application) => application.named('login')[0]?.user.id ?? ''
const refreshTokensRevoked = () =>
  tenant.requests.filter(({ path, body }) => path === '/oauth/revoke' && body?.token_type_hint === 'refresh_token')
    .length

describe.each(applications)('the logins of a user, in %s', (_name, startIn) => {
  const start: typeof startIn = async (...parameters) => {
    const application = await startIn(...parameters)
    open.push(application)
    return application
  }

  it('are listed with address, user agent and last use', async () => {
    const application = await start({ trustProxy: 1 })
    const before = Date.now()
    const visitor = await loggedIn(tenant, application.origin, 'ada', application.origin, {
      'x-forwarded-for': '192.0.2.7',
      'user-agent': `Mozilla/5.0 ${'x'.repeat(1000)}`,
    })
    const [login] = await application.qlik.logins(userOf(application))
    expect(login).toEqual({
      id: idOf(visitor),
      tenant: tenant.origin,
      address: '192.0.2.7',
      userAgent: `Mozilla/5.0 ${'x'.repeat(244)}`,
      createdAt: expect.any(Date),
      refreshedAt: expect.any(Date),
      lastUsedAt: expect.any(Date),
      endsAt: expect.any(Date),
    })
    const lastUsedAt = login?.lastUsedAt.getTime() ?? 0
    expect(lastUsedAt).toBeGreaterThanOrEqual(before)
    expect(lastUsedAt).toBeLessThanOrEqual(Date.now())
  })

  it('keep address and user agent through a refresh, and their last use advances with requests, not with the list', async () => {
    const application = await start({ idleSeconds: 4 })
    const visitor = await loggedIn(tenant, application.origin, 'ada', application.origin, { 'user-agent': 'Firefox' })
    const list = async () => (await application.qlik.logins(userOf(application)))[0]
    const atLogin = await list()
    await until(() => Date.now() >= (atLogin?.createdAt.getTime() ?? 0) + 500)
    expect((await list())?.lastUsedAt.getTime()).toBeLessThan((atLogin?.createdAt.getTime() ?? 0) + 400)
    tenant.expireAccessTokens()
    expect(await visitor.mayCall(application.origin)).toBe(true)
    const used = await list()
    expect(used?.lastUsedAt.getTime()).toBeGreaterThan((atLogin?.createdAt.getTime() ?? 0) + 400)
    expect(used?.refreshedAt.getTime()).toBeGreaterThan(atLogin?.createdAt.getTime() ?? 0)
    expect(used).toMatchObject({ userAgent: 'Firefox', address: expect.stringContaining('127.0.0.1') })
  })

  it('end one by one, by their id', async () => {
    const application = await start()
    const [phone, laptop] = [await loggedIn(tenant, application.origin), await loggedIn(tenant, application.origin)]
    const socket = await phone.openSocket(application.origin)
    const revoked = refreshTokensRevoked()
    const ended = await Promise.all([idOf(phone), idOf(phone)].map(id => application.qlik.endLogin(id)))
    expect(ended.filter(Boolean)).toEqual([true])
    expect(await socket.closed).toBe(4006)
    expect(await phone.mayCall(application.origin)).toBe(false)
    expect(await laptop.mayCall(application.origin)).toBe(true)
    expect(application.named('loginEnded')).toMatchObject([{ login: idOf(phone), reason: 'administrator' }])
    expect(refreshTokensRevoked() - revoked).toBe(1)
    expect((await application.qlik.logins(userOf(application))).map(({ id }) => id)).toEqual([idOf(laptop)])
    expect(await application.qlik.endLogin(idOf(phone))).toBe(false)
  })

  it('do not end for another user, or by what is no id of a login', async () => {
    const application = await start()
    const visitor = await loggedIn(tenant, application.origin)
    const id = idOf(visitor)
    expect(await application.qlik.endLogin(id, 'ben')).toBe(false)
    for (const other of ['', '*', `${id}}:login`, `${id} `, id.slice(1), sessionIdOf(visitor.cookie()), loginKey('x')])
      expect(await application.qlik.endLogin(other)).toBe(false)
    expect(await application.qlik.endLogin(undefined as never)).toBe(false)
    const nobody: { user?: { id: string } } = {}
    await expect(application.qlik.endLogin(id, nobody.user?.id)).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(await visitor.mayCall(application.origin)).toBe(true)
    expect(await application.qlik.endLogin(id, userOf(application))).toBe(true)
  })

  it('have ids that open nothing', async () => {
    const application = await start()
    const visitor = await loggedIn(tenant, application.origin)
    const id = idOf(visitor)
    const signature = decodeURIComponent(visitor.cookie()).split('.').at(-1) ?? ''
    for (const value of [id, `s:${id}`, `s:${id}.${signature}`, `s:${sign(id, 'guess')}`]) {
      const headers = { cookie: `sid=${encodeURIComponent(value)}`, 'sec-fetch-site': 'same-origin' }
      const response = await fetch(`${application.origin}/qlik/api/v1/items`, { headers })
      expect([value, response.status]).toEqual([value, 401])
    }
  })

  it('are limited in number: a new one ends the oldest', async () => {
    const application = await start({ maxLoginsPerUser: 2 })
    const ben = await loggedIn(tenant, application.origin, 'ben')
    const visitors: Visitor[] = []
    for (let login = 0; login < 3; login++) visitors.push(await loggedIn(tenant, application.origin))
    const allowed = await Promise.all(visitors.map(visitor => visitor.mayCall(application.origin)))
    expect(allowed).toEqual([false, true, true])
    expect(await ben.mayCall(application.origin)).toBe(true)
    expect(application.named('loginEnded')).toMatchObject([
      { login: visitors[0] && idOf(visitors[0]), reason: 'login_limit' },
    ])
  })

  it('are limited when several begin at once', async () => {
    const application = await start({ maxLoginsPerUser: 2 })
    const visitors = await Promise.all(Array.from({ length: 6 }, () => loggedIn(tenant, application.origin)))
    const allowed = await Promise.all(visitors.map(visitor => visitor.mayCall(application.origin)))
    expect(allowed.filter(Boolean)).toHaveLength(2)
    expect(application.named('loginEnded')).toHaveLength(4)
    expect(await application.qlik.logins(userOf(application))).toHaveLength(2)
  })

  it('do not count twice for a browser that logs in again', async () => {
    const application = await start({ maxLoginsPerUser: 1 })
    const visitor = await loggedIn(tenant, application.origin)
    const login = await visitor.browser.get(`${application.origin}/auth/login?prompt=login`)
    const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    await visitor.browser.get(application.origin + callback.pathname + callback.search)
    expect(application.named('loginEnded').map(({ reason }) => reason)).toEqual(['replaced'])
    expect(await visitor.mayCall(application.origin)).toBe(true)
  })
})

describe('endLogin', () => {
  it.each([
    ['another client with the same keys', keys],
    ['another deployment with keys of its own', [randomBytes(32).toString('base64')]],
  ])('leaves alone the login of %s in the same Redis', async (_what, otherKeys) => {
    const application = await startRedisApplication(tenant, redis.url, keys)
    const other = await startRedisApplication(tenant, redis.url, otherKeys)
    open.push(application, other)
    const theirs = await loggedIn(tenant, other.origin)
    expect(await application.qlik.endLogin(idOf(theirs))).toBe(false)
    expect(await theirs.mayCall(other.origin)).toBe(true)
    expect(await other.qlik.endLogin(idOf(theirs))).toBe(true)
  })
})
