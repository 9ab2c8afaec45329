import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { loginKey } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { type RedisApplication, startRedisApplication } from '../support/redis-application.ts'
import { loggedIn, sessionIdOf, type Visitor } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let redis: RedisServer
let tenant: SimulatedTenant
let application: RedisApplication
let visitor: Visitor

beforeAll(async () => {
  ;[redis, tenant] = await startAll(startRedis(), createTenant())
})
beforeEach(async () => {
  application = await startRedisApplication(tenant, redis.url, keys)
  visitor = await loggedIn(tenant, application.origin)
})
afterEach(() => application.close())
afterAll(async () => {
  await Promise.all([tenant.close(), redis.stop()])
})

const placeOf = (someone: Visitor) => `qlik:{${loginKey(sessionIdOf(someone.cookie()))}}:login`

/** Pages, session, REST and sockets see no login, and the record is deleted. */
async function expectNobody({ origin, redis: connection }: RedisApplication): Promise<void> {
  const statuses = await Promise.all(
    ['/qlik/api/v1/items', '/private'].map(async path => (await visitor.call(origin, path)).status),
  )
  expect(statuses).toEqual([401, 401])
  expect((await visitor.browser.get(`${origin}/private`)).headers.get('location')).toBe(
    `${origin}/auth/login?returnTo=%2Fprivate`,
  )
  expect(await (await visitor.call(origin, '/auth/session')).json()).toEqual({ authenticated: false })
  await expect(visitor.openSocket(origin)).rejects.toThrow('401')
  expect(await connection.exists(placeOf(visitor))).toBe(0)
}

describe('a login record', () => {
  it.each<[string, (value: string) => string]>([
    ['was cut', value => value.slice(0, -20)],
    ['was altered', value => value.slice(0, -4) + (value.endsWith('AAAA') ? 'BBBB' : 'AAAA')],
    ['got another version', value => value.replace(/^1 /, '7 ')],
    ['lost its version', value => value.slice(2)],
    ['is empty', () => ''],
    ['is something else', () => '{"user":"ada"}'],
  ])('that %s counts as no login, is deleted, and is reported once', async (_what, altered) => {
    const value = (await application.redis.get(placeOf(visitor))) ?? ''
    await application.redis.set(placeOf(visitor), altered(value), 'EX', 600)
    await expectNobody(application)
    expect(application.unreadable).toEqual([placeOf(visitor)])
  })

  it('copied to the key of another login counts as no login', async () => {
    const other = await loggedIn(tenant, application.origin, 'ben')
    await application.redis.copy(placeOf(other), placeOf(visitor), 'REPLACE')
    await expectNobody(application)
    expect(await other.mayCall(application.origin)).toBe(true)
  })

  it('sealed with a key that is not in the ring gets 503, is not deleted, and works where the key is known', async () => {
    const canary = await startRedisApplication(tenant, redis.url, [randomBytes(32).toString('base64')])
    try {
      expect((await visitor.call(canary.origin)).status).toBe(503)
      expect((await visitor.call(canary.origin, '/private')).status).toBe(503)
      await expect(visitor.openSocket(canary.origin)).rejects.toThrow('503')
      const user = application.named('login')[0]?.user.id ?? ''
      expect(await canary.qlik.endLogins(user)).toBe(0)
      expect(await canary.qlik.logins(user)).toEqual([])
      expect(await visitor.mayCall(application.origin)).toBe(true)
    } finally {
      await canary.close()
    }
  })

  it('sealed with a key of another deployment is left out of the lists of its user, and stays', async () => {
    const user = application.named('login')[0]?.user.id ?? ''
    const client = {
      clientId: `test-${new URL(application.origin).host}`,
      clientSecret: 'secret-of-the-test-application',
    }
    const newer = await startRedisApplication(tenant, redis.url, [randomBytes(32).toString('base64'), ...keys], client)
    try {
      tenant.expireAccessTokens()
      expect(await visitor.mayCall(newer.origin)).toBe(true)
      const second = await loggedIn(tenant, application.origin)

      const [known] = await application.qlik.logins(user)
      expect(known?.id).toBe(loginKey(sessionIdOf(second.cookie())))
      expect(await application.qlik.logins(user)).toHaveLength(1)
      expect(await application.qlik.endLogins(user)).toBe(1)
      expect(application.unknownKeys).toEqual([placeOf(visitor)])
      expect(await visitor.mayCall(newer.origin)).toBe(true)
      expect(await newer.qlik.endLogins(user)).toBe(1)
    } finally {
      await newer.close()
    }
  })

  it('of another type in Redis is no login', async () => {
    await application.redis.del(placeOf(visitor))
    await application.redis.lpush(placeOf(visitor), 'what')
    await application.redis.expire(placeOf(visitor), 600)
    expect((await visitor.call(application.origin)).status).toBe(401)
  })

  it('is unsealed with an older key and sealed with the newest at the next write', async () => {
    const before = await application.redis.get(placeOf(visitor))
    const options = {
      clientId: `test-${new URL(application.origin).host}`,
      clientSecret: 'secret-of-the-test-application',
    }
    const rotated = await startRedisApplication(
      tenant,
      redis.url,
      [randomBytes(32).toString('base64'), ...keys],
      options,
    )
    try {
      expect(await visitor.mayCall(rotated.origin)).toBe(true)
      tenant.expireAccessTokens()
      expect(await visitor.mayCall(rotated.origin)).toBe(true)
      const kid = (value: string | null) => value?.split(/[ .]/)[1]
      expect(kid(await application.redis.get(placeOf(visitor)))).not.toBe(kid(before))
    } finally {
      await rotated.close()
    }
  })
})

it('a login of another client in the same Redis, with the same keys, is neither listed nor ended', async () => {
  const other = await startRedisApplication(tenant, redis.url, keys)
  try {
    const [own, theirs] = await Promise.all([application, other].map(({ origin }) => loggedIn(tenant, origin, 'ben')))
    if (own === undefined || theirs === undefined) throw new Error('Not logged in')
    const user = other.named('login')[0]?.user.id ?? ''
    expect((await application.qlik.logins(user)).map(({ id }) => id)).toEqual([loginKey(sessionIdOf(own.cookie()))])
    expect(await application.qlik.endLogins(user)).toBe(1)
    expect(await own.mayCall(application.origin)).toBe(false)
    expect(await theirs.mayCall(other.origin)).toBe(true)
    expect(await other.qlik.logins(user)).toHaveLength(1)
  } finally {
    await other.close()
  }
})
