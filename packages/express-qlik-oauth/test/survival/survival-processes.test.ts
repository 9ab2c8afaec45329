import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type LoginStore, redisLoginStore } from 'qlik-oauth'
import { loginKey } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { promptly, until } from 'test-support/until'
import {
  type ApplicationProcess,
  type ProcessSettings,
  publicUrl,
  settingsFor,
  startApplicationProcess,
} from '../support/application-processes.ts'
import { loggedIn, sessionIdOf, type Visitor } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let redis: RedisServer
let tenant: SimulatedTenant
let connection: Redis
let store: LoginStore
let settings: ProcessSettings
let processes: ApplicationProcess[] = []
/** The first two ask Redis for each request, the others cache logins for a minute. */
let origins: [string, string, string, string]
let shortLived: ApplicationProcess

beforeAll(async () => {
  ;[redis, tenant] = await startAll(startRedis(), createTenant())
  connection = new Redis(redis.url)
  store = redisLoginStore(connection, { keys })
  settings = settingsFor(tenant, redis.url, keys)
  ;[shortLived, ...processes] = await startAll(
    startApplicationProcess({ ...settings, idleSeconds: 2, absoluteSeconds: 7 }),
    ...[0, 0, 60, 60].map(cacheSeconds => startApplicationProcess({ ...settings, cacheSeconds })),
  )
  origins = processes.map(({ origin }) => origin) as typeof origins
})

afterEach(() => tenant.faults.clear())

afterAll(async () => {
  await Promise.all([shortLived, ...processes].map(one => one?.stop()))
  await store.close()
  connection.disconnect()
  await Promise.all([tenant.close(), redis.stop()])
})

const logIn = (user = 'ada') => loggedIn(tenant, origins[0], user, publicUrl)
const keyOf = (visitor: Visitor) => loginKey(sessionIdOf(visitor.cookie()))
const refreshes = () => tenant.tokenRequests('refresh_token').length

/** Makes the access token of a login look expired to the application. */
async function expire(visitor: Visitor): Promise<void> {
  const { record, version } = await stored(visitor)
  await store.replaceLogin(keyOf(visitor), version, {
    ...record,
    tokens: { ...record.tokens, expiresAt: Date.now() - 1 },
  })
}

async function stored(visitor: Visitor) {
  const found = await store.readLogin(keyOf(visitor))
  if (found === undefined) throw new Error('No such login')
  return found
}

/** The reasons of all `loginEnded` events of a login, in all processes. */
function endingsOf(visitor: Visitor): string[] {
  const ended = [shortLived, ...processes].flatMap(process => process.named('loginEnded'))
  return ended.filter(({ login }) => login === keyOf(visitor)).map(({ reason }) => reason)
}

/** Sends 25 REST calls to each process at once. @returns The distinct statuses. */
async function callFromEverywhere(visitor: Visitor): Promise<number[]> {
  const responses = await Promise.all(origins.flatMap(origin => Array.from({ length: 25 }, () => visitor.call(origin))))
  return [...new Set(responses.map(({ status }) => status))]
}

describe('four processes with 25 calls each', () => {
  it('make one refresh when the access token runs out', async () => {
    const visitor = await logIn()
    await expire(visitor)
    const before = refreshes()
    expect(await callFromEverywhere(visitor)).toEqual([200])
    expect(refreshes()).toBe(before + 1)
  })

  it('make one refresh when the tenant rejects a token that looks fresh', async () => {
    const visitor = await logIn()
    tenant.expireAccessTokens()
    const before = refreshes()
    expect(await callFromEverywhere(visitor)).toEqual([200])
    expect(refreshes()).toBe(before + 1)
  })

  it('make one refresh when the token endpoint takes longer than the lease of the lock', async () => {
    const visitor = await logIn()
    await expire(visitor)
    const before = refreshes()
    const { injected, release } = tenant.faults.next({ grant: 'refresh_token', hold: true })
    const called = callFromEverywhere(visitor)
    await injected
    const lock = `qlik:{${keyOf(visitor)}}:lock`
    const firstEnd = Date.now() + (await connection.pttl(lock))
    await until(() => Date.now() > firstEnd)
    expect(await connection.pttl(lock)).toBeGreaterThan(0)
    release()
    expect(await called).toEqual([200])
    expect(refreshes()).toBe(before + 1)
  })

  it('end the login once, with 401 and no loop, when the refresh token is refused', async () => {
    const visitor = await logIn()
    await expire(visitor)
    tenant.revokeRefreshTokens()
    const before = refreshes()
    expect(await callFromEverywhere(visitor)).toEqual([401])
    expect(await callFromEverywhere(visitor)).toEqual([401])
    expect(refreshes()).toBe(before + 1)
    expect(
      processes.flatMap(one => one.named('loginEnded')).filter(({ reason }) => reason === 'refresh_refused'),
    ).toHaveLength(1)
  })

  it('keep the login while the client secret is refused, and continue when it is accepted again', async () => {
    const visitor = await logIn()
    await expire(visitor)
    const clearFault = tenant.faults.always({ grant: 'refresh_token', status: 401, body: { error: 'invalid_client' } })
    const [status] = await callFromEverywhere(visitor)
    expect(status).toBe(503)
    clearFault()
    await until(async () => (await visitor.call(origins[1])).status === 200)
  })
})

describe('logout in one process', () => {
  it('ends REST in every other at once', async () => {
    const visitor = await logIn()
    await Promise.all(origins.map(origin => visitor.mayCall(origin)))
    expect((await visitor.logOut(origins[0])).status).toBe(204)
    expect(await visitor.mayCall(origins[1])).toBe(false)
    await promptly(until(async () => !(await visitor.mayCall(origins[2])) && !(await visitor.mayCall(origins[3]))))
  })

  it('closes the sockets of every other with 4006 within a second', async () => {
    const visitor = await logIn()
    const sockets = await Promise.all(origins.map(origin => visitor.openSocket(origin)))
    await visitor.logOut(origins[0])
    const closed = Promise.all(sockets.map(socket => socket.closed))
    await promptly(closed)
    expect(await closed).toEqual([4006, 4006, 4006, 4006])
    await until(() => tenant.openSockets === 0)
  })

  it('discards and revokes the tokens of a refresh that is running in another', async () => {
    const visitor = await logIn()
    await expire(visitor)
    const { injected, release } = tenant.faults.next({ grant: 'refresh_token', hold: true, when: 'after' })
    const called = visitor.call(origins[1])
    await injected
    await visitor.logOut(origins[0])
    const revocations = () => tenant.requests.filter(({ path }) => path === '/oauth/revoke').length
    const before = revocations()
    release()
    expect((await called).status).toBe(401)
    expect(await connection.exists(`qlik:{${keyOf(visitor)}}:login`)).toBe(0)
    expect(revocations()).toBeGreaterThan(before)
  })
})

describe('a refresh', () => {
  it('closes no socket and does not move the absolute end', async () => {
    const visitor = await logIn()
    const sockets = await Promise.all(origins.map(origin => visitor.openSocket(origin)))
    let open = true
    for (const { closed } of sockets) void closed.then(() => (open = false))
    const before = await stored(visitor)
    await expire(visitor)
    expect(await callFromEverywhere(visitor)).toEqual([200])
    const after = await stored(visitor)
    expect(after.record.tokens.accessToken).not.toBe(before.record.tokens.accessToken)
    expect(after.record.endsAt).toBe(before.record.endsAt)
    expect(open).toBe(true)
    await visitor.logOut(origins[0])
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4006, 4006, 4006, 4006])
  })
})

describe('the end of a login by the clock', () => {
  it('refuses REST and closes sockets, idle or not', async () => {
    const [idle, active] = await Promise.all([1, 2].map(() => loggedIn(tenant, shortLived.origin, 'ben', publicUrl)))
    if (idle === undefined || active === undefined) throw new Error('Nobody is logged in')
    const [idleSocket, activeSocket] = await Promise.all(
      [idle, active].map(({ openSocket }) => openSocket(shortLived.origin)),
    )
    const { endsAt } = (await stored(active)).record

    const refused: string[] = []
    const activeRefused = until(async () => !(await active.mayCall(shortLived.origin))).then(() => {
      refused.push('active')
      return Date.now()
    })
    await until(async () => !(await store.idleLeft(keyOf(idle))))
    expect(await idle.mayCall(shortLived.origin)).toBe(false)
    refused.push('idle')
    expect(await idleSocket?.closed).toBe(4006)
    await until(() => endingsOf(idle).length > 0)

    expect(await activeRefused).toBeGreaterThanOrEqual(endsAt)
    expect(refused).toEqual(['idle', 'active'])
    expect(await promptly(activeSocket?.closed ?? Promise.reject(new Error('No socket')))).toBe(4006)
    await until(() => endingsOf(active).length > 0)
    expect([endingsOf(idle), endingsOf(active)]).toEqual([['expired'], ['expired']])
  })
})
