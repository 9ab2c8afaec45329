import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { startChild } from 'test-support/child'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import {
  type LoginEndReason,
  type LoginStore,
  memoryLoginStore,
  type QlikClient,
  qlikClient,
  redisLoginStore,
} from '../src/index.ts'
import { createLogins, type Logins, type LoginsOptions } from '../src/internal.ts'
import { startTokenEndpoint, type TokenEndpoint } from './support/token-endpoint.ts'

const keys = [randomBytes(32).toString('base64')]
const invalidGrant = { status: 401, body: { errors: [{ code: 'OAUTH-9', title: 'Invalid token', status: '401' }] } }
let server: RedisServer
let redis: Redis
let endpoint: TokenEndpoint
let web: QlikClient
let ended: { login: string; reason: LoginEndReason }[]
let closing: (() => Promise<unknown>)[]

beforeAll(async () => {
  ;[server, endpoint] = await Promise.all([startRedis(), startTokenEndpoint()])
  redis = new Redis(server.url)
  web = qlikClient({ tenant: endpoint.origin, clientId: 'web', clientSecret: 'hush' })
})
afterAll(async () => {
  await web.close()
  redis.disconnect()
  await Promise.all([endpoint.close(), server.stop()])
})
beforeEach(async () => {
  ended = []
  closing = []
  endpoint.respond(({ path }) => (path === '/oauth/token' ? invalidGrant : { body: {} }))
  await redis.flushall()
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
})

const stores: [string, () => () => LoginStore][] = [
  ['Redis', () => () => redisLoginStore(redis, { keys, commandTimeoutMs: 10_000 })],
  [
    'memory',
    () => {
      const store = memoryLoginStore()
      return () => store
    },
  ],
]

/** Three processes with the same store. */
function processes(storeOf: () => LoginStore, options: Partial<LoginsOptions> = {}): [Logins, Logins, Logins] {
  const start = () => {
    const store = storeOf()
    closing.push(() => store.close())
    const logins = createLogins({
      store,
      clientOf: () => web,
      emit: (name, event) => {
        if (name === 'loginEnded' && 'reason' in event) ended.push({ login: event.login, reason: event.reason })
      },
      idleSeconds: 60,
      sweepIntervalMs: 100,
      ...options,
    })
    closing.push(() => logins.close())
    return logins
  }
  return [start(), start(), start()]
}

async function logIn(logins: Logins, key: string, expiresInMs = 3600_000): Promise<void> {
  const now = Date.now()
  const tokens = {
    accessToken: `access-${key}`,
    refreshToken: `refresh-${key}`,
    issuedAt: now - 3600_000,
    expiresAt: now + expiresInMs,
  }
  await logins.create(key, { client: web, user: { id: 'ada' }, tokens })
}

function revocations(key: string): number {
  return endpoint.requests.filter(
    ({ path, parameters }) => path === '/oauth/revoke' && parameters.token === `refresh-${key}`,
  ).length
}

/** One event with this reason, one revocation; and no more after two further sweeps of every process. */
async function expectOneEnd(key: string, reason: LoginEndReason): Promise<void> {
  await until(() => ended.length > 0 && revocations(key) > 0)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(ended).toEqual([{ login: key, reason }])
  expect(revocations(key)).toBe(1)
}

describe.each(stores)(
  'a login in %s ends with one event and one revocation over three processes',
  (_name, makeStore) => {
    let key: string
    beforeEach(() => {
      key = randomUUID()
    })

    it.each<LoginEndReason>(['logout', 'replaced', 'session_destroyed', 'administrator'])('%s', async reason => {
      const all = processes(makeStore())
      await logIn(all[0], key)
      const results = await Promise.all(all.map(logins => logins.end(key, reason)))
      expect(results.filter(Boolean)).toHaveLength(1)
      await expectOneEnd(key, reason)
    })

    it('by an administrator who ends all logins of the user', async () => {
      const all = processes(makeStore())
      await logIn(all[0], key)
      const results = await Promise.all(
        all.map(async logins => {
          const found = await logins.list(endpoint.origin, 'ada')
          return Promise.all(found.map(login => logins.end(login.key, 'administrator')))
        }),
      )
      expect(results.flat().filter(Boolean)).toHaveLength(1)
      await expectOneEnd(key, 'administrator')
    })

    it('when its refresh token is refused', async () => {
      const all = processes(makeStore())
      await logIn(all[0], key, -1000)
      const tokens = await Promise.allSettled(all.map(async logins => (await logins.find(key))?.accessToken()))
      expect(
        tokens
          .filter(({ status }) => status === 'fulfilled')
          .flatMap(result => ('value' in result ? [result.value] : []))
          .filter(Boolean),
      ).toEqual([])
      await expectOneEnd(key, 'refresh_refused')
    })

    it('at its absolute end without a request', async () => {
      const [first] = processes(makeStore(), { absoluteSeconds: 0.5 })
      await logIn(first, key)
      await expectOneEnd(key, 'expired')
    })

    it('at its absolute end that every process finds at a request', async () => {
      const all = processes(makeStore(), { absoluteSeconds: 0.5, sweepIntervalMs: 600_000 })
      await logIn(all[0], key)
      const found = () => Promise.all(all.map(logins => logins.find(key)))
      await until(async () => (await found()).every(login => login === undefined))
      await expectOneEnd(key, 'expired')
    })

    it('at its idle end without a request, also when the process that created it is gone', async () => {
      const [creator] = processes(makeStore(), { idleSeconds: 0.5 })
      await logIn(creator, key)
      await creator.close()
      await expectOneEnd(key, 'expired')
    })

    it('at its idle end that a request finds first', async () => {
      const all = processes(makeStore(), { idleSeconds: 0.5, sweepIntervalMs: 1000 })
      await logIn(all[0], key)
      await until(async () => (await all[1].peek(key)) === undefined)
      expect(await all[2].end(key, 'logout')).toBe(false)
      await expectOneEnd(key, 'expired')
    })

    it('at its idle end, and calls the listeners in every process', async () => {
      const all = processes(makeStore(), { idleSeconds: 0.5 })
      await logIn(all[0], key)
      const calls: number[] = []
      for (const [at, logins] of all.entries()) {
        const login = await logins.peek(key)
        if (login !== undefined) logins.onEnd(login, () => calls.push(at))
      }
      await expectOneEnd(key, 'expired')
      expect(calls.sort()).toEqual([0, 1, 2])
    })

    it('not at all while it is used', async () => {
      const all = processes(makeStore(), { idleSeconds: 1 })
      await logIn(all[0], key)
      for (const end = Date.now() + 1500; Date.now() < end; ) {
        for (const logins of all) expect(await logins.find(key)).toBeDefined()
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      expect(ended).toEqual([])
    })
  },
)

describe('the idle end', () => {
  it('is reported by a process with the same Redis when the process of the login was killed', async () => {
    const child = await startChild(new URL('support/login-process.ts', import.meta.url), {
      TENANT: endpoint.origin,
      REDIS: server.url,
      KEYS: keys[0] ?? '',
      IDLE_SECONDS: '1',
    })
    expect(await child.ask('create orphan')).toBe('created')
    await child.kill()
    processes(() => redisLoginStore(redis, { keys, commandTimeoutMs: 10_000 }))
    await expectOneEnd('orphan', 'expired')
  })

  it('is reported once by the application that has the client, of two that share a store', async () => {
    const store = redisLoginStore(redis, { keys, commandTimeoutMs: 10_000 })
    closing.push(() => store.close())
    const events: string[] = []
    const start = (name: string, clientOf: LoginsOptions['clientOf']) => {
      const logins = createLogins({
        store,
        clientOf,
        emit: event => events.push(`${name} ${event}`),
        idleSeconds: 0.5,
        sweepIntervalMs: 100,
      })
      closing.push(() => logins.close())
      return logins
    }
    start('other', () => undefined)
    const own = start('own', ({ clientId }) => (clientId === 'web' ? web : undefined))
    await logIn(own, 'shared')
    await until(() => revocations('shared') === 1)
    expect(events).toEqual(['own login', 'own loginEnded'])
  })

  it('does not hold up later ones while the tenant does not revoke', async () => {
    const [first] = processes(() => redisLoginStore(redis, { keys, commandTimeoutMs: 10_000 }), { idleSeconds: 0.5 })
    let release = () => {}
    const released = new Promise<undefined>(resolve => (release = () => resolve(undefined)))
    endpoint.respond(() => released)
    await logIn(first, 'early')
    await until(() => ended.length === 1)
    await logIn(first, 'late')
    await until(() => ended.length === 2)
    expect(ended.map(({ login }) => login)).toEqual(['early', 'late'])
    release()
  })
})

describe('the end of a login by a process that does not have its client', () => {
  it('is reported there, and its tokens are revoked by a process that has the client', async () => {
    const store = redisLoginStore(redis, { keys, commandTimeoutMs: 10_000 })
    closing.push(() => store.close())
    const events: string[] = []
    const start = (name: string, clientOf: LoginsOptions['clientOf']) => {
      const emit = (event: string) => events.push(`${name} ${event}`)
      const logins = createLogins({ store, clientOf, emit, sweepIntervalMs: 50, endingLeaseMs: 200 })
      closing.push(() => logins.close())
      return logins
    }
    const own = start('own', () => web)
    const other = start('other', () => undefined)
    await logIn(own, 'unowned')
    expect(await other.end('unowned', 'session_destroyed')).toBe(true)
    await until(async () => (await redis.keys('*')).length === 0)
    expect(events).toEqual(['own login', 'other loginEnded'])
    expect(revocations('unowned')).toBe(1)
  })
})
