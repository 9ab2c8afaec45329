import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import {
  type LoginEndReason,
  type LoginStore,
  memoryLoginStore,
  type QlikClient,
  qlikClient,
  redisLoginStore,
} from 'qlik-oauth'
import { createLogins, type Logins } from 'qlik-oauth/internal'
import { type Child, startChild } from 'test-support/child'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type DyingProcess, dyingProcess } from './support/dying-process.ts'
import { startTokenEndpoint, type TokenEndpoint, type TokenRequest } from './support/token-endpoint.ts'

/** Longer than this process may be kept from completing an ending by other work. */
const leaseMs = 1500
const storeKeys = [randomBytes(32).toString('base64')]
let server: RedisServer
let redis: Redis
let endpoint: TokenEndpoint
let web: QlikClient

beforeAll(async () => {
  ;[server, endpoint] = await Promise.all([startRedis(), startTokenEndpoint()])
  redis = new Redis(server.url)
  // One store for each scenario.
  redis.setMaxListeners(0)
  web = qlikClient({ tenant: endpoint.origin, clientId: 'web', clientSecret: 'hush' })
  endpoint.respond(() => ({ body: {} }))
})
afterAll(async () => {
  redis.disconnect()
  await web.close()
  await Promise.all([endpoint.close(), server.stop()])
})

interface Scenario {
  readonly reason: LoginEndReason
  /** After how many steps the processes die that end the login, or take the ending over, one after another. */
  readonly deaths: readonly number[]
  readonly survivors: number
}

const stores: [string, (prefix: string) => LoginStore][] = [
  ['memory', () => memoryLoginStore()],
  ['Redis', prefix => redisLoginStore(redis, { keys: storeKeys, prefix, commandTimeoutMs: 10_000 })],
]

async function run(makeStore: (prefix: string) => LoginStore, { reason, deaths, survivors }: Scenario): Promise<void> {
  const key = randomUUID()
  const prefix = `${key}:`
  const store = makeStore(prefix)
  const reported: { reason: LoginEndReason; by: LoginStore }[] = []
  const victims: DyingProcess[] = []
  const open: Logins[] = []
  const isExpired = reason === 'expired'

  function start(on: LoginStore, client: QlikClient, isDead: () => boolean, sweepIntervalMs: number): Logins {
    const logins = createLogins({
      store: on,
      clientOf: () => client,
      emit: (name, event) => {
        if (name === 'loginEnded' && 'reason' in event && !isDead()) reported.push({ reason: event.reason, by: on })
      },
      idleSeconds: isExpired ? 0.05 : 60,
      sweepIntervalMs,
      endingLeaseMs: leaseMs,
    })
    open.push(logins)
    return logins
  }

  try {
    const now = Date.now()
    const tokens = { accessToken: 'access', refreshToken: key, issuedAt: now, expiresAt: now + 3600_000 }
    const creator = start(store, web, () => false, 3600_000)
    await creator.create(key, { client: web, user: { id: 'ada' }, tokens })
    if (isExpired) await until(async () => (await store.idleLeft(key)) === 0)

    for (const [at, steps] of deaths.entries()) {
      const victim = dyingProcess(store, web, steps)
      victims.push(victim)
      const sweeps = isExpired || at > 0
      const logins = start(victim.store, victim.client, victim.isDead, sweeps ? 20 : 3600_000)
      const ended = sweeps ? victim.death : logins.end(key, reason).catch(() => {})
      await Promise.race([victim.death, ended])
    }
    // A login that no victim has ended is ended by the survivors.
    const living = Array.from({ length: survivors }, () => start(store, web, () => false, 50))
    if (!isExpired) await Promise.all(living.map(logins => logins.end(key, reason)))
    const revocations = () => endpoint.requests.filter(request => isRevocation(request, key)).length
    await until(async () => reported.length > 0 && revocations() > 0 && (await redis.keys(`${prefix}*`)).length === 0)

    // Once, and again only for each process that died between the event and noting it.
    const unnoted = victims.filter(
      ({ store, executed }) => reported.some(({ by }) => by === store) && !executed.includes('markReported'),
    )
    expect(reported.length).toBeLessThanOrEqual(1 + unnoted.length)
    expect(new Set(reported.map(event => event.reason))).toEqual(new Set([reason]))
    // Once, and again only for each process that died after the request and before the end was completed.
    const uncompleted = victims.filter(
      ({ executed }) => executed.includes('request') && !executed.includes('completeEnding'),
    )
    expect(revocations()).toBeLessThanOrEqual(1 + uncompleted.length)
    expect(await store.readLogin(key)).toBeUndefined()
    expect(await store.loginKeys(endpoint.origin, 'ada')).toEqual([])
  } finally {
    for (const victim of victims) victim.bury()
    await Promise.all(open.map(logins => logins.close()))
    await store.close()
  }
}

function isRevocation({ path, parameters }: TokenRequest, refreshToken: string): boolean {
  return path === '/oauth/revoke' && parameters.token === refreshToken
}

describe.each(stores)('the end of a login in %s', (_name, makeStore) => {
  it.each<LoginEndReason>(['logout', 'expired'])(
    '(%s) is reported and revoked when its process dies at any step, and the next one too',
    async reason => {
      const steps = Array.from({ length: 14 }, (_, at) => at)
      await Promise.all(steps.map(at => run(makeStore, { reason, deaths: [at], survivors: 2 })))
      await Promise.all(steps.map(at => run(makeStore, { reason, deaths: [3, at], survivors: 2 })))
    },
    60_000,
  )

  it('is reported and revoked after the deaths of several processes, one after another', async () => {
    const scenario: fc.Arbitrary<Scenario> = fc.record({
      reason: fc.constantFrom<LoginEndReason[]>(
        'logout',
        'replaced',
        'session_destroyed',
        'refresh_refused',
        'expired',
      ),
      deaths: fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }),
      survivors: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(scenario, { minLength: 20, maxLength: 20 }), scenarios =>
        Promise.all(scenarios.map(each => run(makeStore, each))).then(() => {}),
      ),
      { numRuns: 1 },
    )
  }, 60_000)
})

describe('a process that is killed with SIGKILL', () => {
  let child: Child

  it('while the tenant revokes the tokens leaves the revocation to another, which does not report the end again', async () => {
    await redis.flushall()
    const key = randomUUID()
    let hangs = true
    const killed = new Promise<void>(resolve => {
      endpoint.respond(async ({ parameters }) => {
        if (!hangs || parameters.token !== `refresh-${key}`) return { body: {} }
        hangs = false
        await child.kill()
        resolve()
        return { body: {} }
      })
    })
    child = await startChild(new URL('support/login-process.ts', import.meta.url), {
      TENANT: endpoint.origin,
      REDIS: server.url,
      KEYS: storeKeys[0] ?? '',
      ENDING_LEASE_MS: '500',
      PRINT_ENDINGS: '1',
    })
    expect(await child.ask(`create ${key}`)).toBe('created')
    expect(await child.ask(`end ${key} administrator`)).toBe(`loginEnded administrator ${key}`)
    await killed

    const store = redisLoginStore(redis, { keys: storeKeys, commandTimeoutMs: 10_000 })
    const events: string[] = []
    const logins = createLogins({ store, clientOf: () => web, emit: name => events.push(name), sweepIntervalMs: 100 })
    try {
      const revocations = () => endpoint.requests.filter(request => isRevocation(request, `refresh-${key}`)).length
      await until(async () => revocations() === 2 && (await redis.keys('*')).length === 0)
      expect(events).toEqual([])
    } finally {
      await logins.close()
      await store.close()
    }
  })

  it('at any moment of fifty logouts leaves none unreported and none unrevoked', async () => {
    await redis.flushall()
    endpoint.respond(() => ({ body: {} }))
    const keys = Array.from({ length: 50 }, () => randomUUID())
    const store = redisLoginStore(redis, { keys: storeKeys, commandTimeoutMs: 10_000 })
    const reported: string[] = []
    const logins = createLogins({
      store,
      clientOf: () => web,
      emit: (name, event) => {
        if (name === 'loginEnded' && 'login' in event) reported.push(event.login)
      },
      sweepIntervalMs: 100,
    })
    try {
      for (let at = 0; at < 2; at++) {
        const ended = keys.slice(at * 25, at * 25 + 25)
        child = await startChild(new URL('support/login-process.ts', import.meta.url), {
          TENANT: endpoint.origin,
          REDIS: server.url,
          KEYS: storeKeys[0] ?? '',
          ENDING_LEASE_MS: '500',
          PRINT_ENDINGS: '1',
        })
        for (const key of ended) expect(await child.ask(`create ${key}`)).toBe('created')
        child.process.stdout?.on('data', (data: Buffer) => {
          for (const [, login = ''] of String(data).matchAll(/^loginEnded \w+ (.+)$/gm)) reported.push(login)
        })
        child.process.stdin?.write(ended.map(key => `end ${key} logout\n`).join(''))
        await new Promise(resolve => setTimeout(resolve, 5 + at * 15))
        await child.kill()
      }
      const isRevoked = (key: string) => endpoint.requests.some(request => isRevocation(request, `refresh-${key}`))
      const alive = async () =>
        (await Promise.all(keys.map(key => store.readLogin(key)))).map(login => login !== undefined)
      const living = await alive()
      await until(() => keys.every((key, at) => living[at] || (reported.includes(key) && isRevoked(key))))
      expect(keys.filter((key, at) => living[at] && (reported.includes(key) || isRevoked(key)))).toEqual([])
    } finally {
      await logins.close()
      await store.close()
    }
  }, 60_000)
})
