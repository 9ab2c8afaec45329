import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { redisLoginStore } from '../redis/redis-login-store.ts'
import type { LoginChange, LoginEnding, LoginRecord, LoginStore, StoreLock } from './login-store.ts'
import { memoryLoginStore } from './memory-login-store.ts'

/*
 * The memory store is the model of the Redis store: both get the same random commands and must return the same results.
 *
 * Time passes in steps of many minutes: the clock of this process is fake, and in Redis every TTL and due time is moved
 * forward. Lifetimes are chosen so that none ends within the seconds that a sequence really takes.
 */

const storeKeys = [randomBytes(32).toString('base64')]
let server: RedisServer
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

interface Stores {
  readonly memory: LoginStore
  readonly redis: LoginStore
}

interface Model {
  /** The endings taken last. */
  readonly endings: Map<string, { memory: LoginEnding; redis: LoginEnding }>
  /** The locks acquired last, by key. */
  readonly locks: Map<string, { memory: StoreLock; redis: StoreLock }>
}

type Command = fc.AsyncCommand<Model, Stores>

/** A command that must have equal results. */
function same(title: string, run: (store: LoginStore) => Promise<unknown>): Command {
  return {
    check: () => true,
    async run(_model, stores) {
      const [expected, received] = [await run(stores.memory), await run(stores.redis)]
      expect([title, received]).toEqual([title, expected])
    },
    toString: () => title,
  }
}

function acquireLock(key: string): Command {
  return {
    check: () => true,
    async run({ locks }, stores) {
      const [memory, inRedis] = [await stores.memory.lock(key, 500_000), await stores.redis.lock(key, 500_000)]
      if (typeof memory === 'object' && typeof inRedis === 'object') locks.set(key, { memory, redis: inRedis })
      else expect(inRedis).toBe(memory)
    },
    toString: () => `lock ${key}`,
  }
}

function useLock(title: string, key: string, use: (lock: StoreLock) => Promise<unknown>): Command {
  return {
    check: ({ locks }) => locks.has(key),
    async run({ locks }) {
      const lock = locks.get(key)
      if (lock === undefined) return
      const expected = await use(lock.memory)
      expect([title, await use(lock.redis)]).toEqual([title, expected])
    },
    toString: () => `${title} ${key}`,
  }
}

function create(key: string, seconds: number, idleSeconds: number): Command {
  return {
    check: () => true,
    async run(_model, stores) {
      const record = login(key, seconds)
      await stores.memory.createLogin(key, record, idleSeconds)
      await stores.redis.createLogin(key, record, idleSeconds)
    },
    toString: () => `createLogin ${key} for ${seconds} s`,
  }
}

/** A command that gives endings, which have a random id in each store. */
function take(
  title: string,
  run: (store: LoginStore) => Promise<LoginEnding | readonly LoginEnding[] | undefined>,
): Command {
  return {
    check: () => true,
    async run({ endings }, stores) {
      const [memory, inRedis] = [sorted(await run(stores.memory)), sorted(await run(stores.redis))]
      expect([title, inRedis.map(withoutId)]).toEqual([title, memory.map(withoutId)])
      for (const [at, ending] of memory.entries()) {
        const same = inRedis[at]
        if (same !== undefined) endings.set(ending.id, { memory: ending, redis: same })
      }
    },
    toString: () => title,
  }
}

function sorted(result: LoginEnding | readonly LoginEnding[] | undefined): LoginEnding[] {
  const order = ({ key, record }: LoginEnding) => `${key} ${record.endsAt}`
  return [result ?? []].flat().sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

function withoutId({ id: _, ...rest }: LoginEnding): object {
  return rest
}

/** @param at Which of the endings taken so far, newest first. */
function useEnding(
  title: string,
  at: number,
  use: (store: LoginStore, ending: LoginEnding) => Promise<unknown>,
): Command {
  return {
    check: ({ endings }) => endings.size > at,
    async run({ endings }, stores) {
      const ending = [...endings.values()].at(-1 - at)
      if (ending === undefined) return
      await use(stores.memory, ending.memory)
      await use(stores.redis, ending.redis)
    },
    toString: () => `${title} ${at}`,
  }
}

function pass(seconds: number): Command {
  return {
    check: () => true,
    async run() {
      jest.setSystemTime(Date.now() + seconds * 1000)
      for (const key of await redis.keys('*')) {
        if (key.endsWith(':due')) await move(key, seconds * 1000)
        const left = (await redis.pttl(key)) - seconds * 1000
        if (left > 0) await redis.pexpire(key, left)
        else await redis.del(key)
      }
    },
    toString: () => `${seconds} s pass`,
  }
}

async function move(index: string, milliseconds: number): Promise<void> {
  const entries = await redis.zrange(index, 0, -1, 'WITHSCORES')
  for (let at = 0; at < entries.length; at += 2)
    await redis.zadd(index, Number(entries[at + 1]) - milliseconds, entries[at] ?? '')
}

/** Of endings; runs out within most of the steps in which time passes. */
const leaseMs = 600_000

const anyKey = fc.constantFrom('a', 'b', 'c')

/** @param idleSeconds The same for all reads of a deployment. */
function commandsWith(idleSeconds: number) {
  return fc.commands(
    [
      fc.tuple(anyKey, fc.constantFrom(3050, 30_050)).map(([key, seconds]) => create(key, seconds, idleSeconds)),
      anyKey.map(key => same(`readLogin ${key}`, store => store.readLogin(key))),
      anyKey.map(key => same(`readLogin ${key} and extend`, store => store.readLogin(key, idleSeconds))),
      fc
        .tuple(anyKey, fc.integer({ min: 1, max: 3 }))
        .map(([key, version]) => same(`replaceLogin ${key} ${version}`, store => replaced(store, key, version))),
      fc
        .tuple(anyKey, fc.constantFrom('logout', 'replaced'))
        .map(([key, reason]) => take(`endLogin ${key} ${reason}`, store => store.endLogin(key, reason, leaseMs))),
      fc.constant(take('takeEnded', store => store.takeEnded(undefined, leaseMs))),
      fc.nat(2).map(at => useEnding('markReported', at, (store, ending) => store.markReported(ending))),
      fc.nat(2).map(at => useEnding('renewEndings', at, (store, ending) => store.renewEndings([ending], leaseMs))),
      fc.nat(2).map(at => useEnding('completeEnding', at, (store, ending) => store.completeEnding(ending))),
      anyKey.map(key => same(`idleLeft ${key}`, async store => Math.round((await store.idleLeft(key)) / 10_000))),
      anyKey.map(key => same(`loginKeys ${key}`, store => activeKeys(store, key))),
      anyKey.map(key => same(`saveTransaction ${key}`, store => store.saveTransaction(key, transaction, 650))),
      anyKey.map(key => same(`takeTransaction ${key}`, store => store.takeTransaction(key))),
      fc
        .tuple(anyKey, fc.constantFrom(-50, 1050, 10_050))
        .map(([key, seconds]) => same(`saveTokens ${key}`, store => store.saveTokens(key, tokens(seconds)))),
      anyKey.map(key => same(`readTokens ${key}`, store => store.readTokens(key))),
      anyKey.map(key => same(`increment ${key}`, store => store.increment(key, 750))),
      anyKey.map(acquireLock),
      anyKey.map(key => useLock('renew', key, lock => lock.renew())),
      fc
        .tuple(anyKey, fc.constantFrom(0, 350_000))
        .map(([key, backoffMs]) => useLock(`release ${backoffMs}`, key, lock => lock.release(backoffMs))),
      fc.constantFrom(400, 800, 4000, 20_000).map(pass),
    ],
    { maxCommands: 60, size: 'max' },
  )
}

describe('the Redis login store', () => {
  it('returns what the memory login store returns, whatever happens in whatever order', async () => {
    const sequences = fc.constantFrom(1050, 10_050).chain(commandsWith)
    await fc.assert(
      fc.asyncProperty(sequences, async commands => {
        jest.useFakeTimers({ doNotFake: [...doNotFake], now: Date.now() })
        await redis.flushall()
        const stores = {
          memory: memoryLoginStore(),
          redis: redisLoginStore(redis, { keys: storeKeys, commandTimeoutMs: 10_000 }),
        }
        try {
          const changes = { memory: changesOf(stores.memory), redis: changesOf(stores.redis) }
          await until(() => changes.redis.subscription.confirmed)
          await fc.asyncModelRun(() => ({ model: { endings: new Map(), locks: new Map() }, real: stores }), commands)
          await until(() => changes.redis.count() === changes.memory.count())
          expect(changes.redis.byKey).toEqual(changes.memory.byKey)
          for (const key of await redis.keys('*'))
            expect([key, await redis.pttl(key)]).toEqual([key, expect.any(Number)])
          for (const key of await redis.keys('*')) expect(await redis.pttl(key)).toBeGreaterThan(0)
        } finally {
          await Promise.all([stores.memory.close(), stores.redis.close()])
          jest.useRealTimers()
        }
      }),
      { numRuns: 100 },
    )
  }, 120_000)
})

/** The announcements for each key, in their order. */
function changesOf(store: LoginStore) {
  const byKey: Record<string, LoginChange['type'][]> = {}
  const subscription = store.subscribe(
    ({ key, type }) => {
      byKey[key] = [...(byKey[key] ?? []), type]
    },
    () => {},
  )
  return { byKey, subscription, count: () => Object.values(byKey).flat().length }
}

async function replaced(store: LoginStore, key: string, version: number): Promise<string> {
  const record = (await store.readLogin(key))?.record ?? login(key, 3050)
  return store.replaceLogin(key, version, { ...record, refreshedAt: Date.now() })
}

/** The list may contain keys of ended logins. */
async function activeKeys(store: LoginStore, user: string): Promise<string[]> {
  const keys = await store.loginKeys('https://acme.example', user)
  const logins = await Promise.all(keys.map(key => store.readLogin(key)))
  return keys.filter((_key, at) => (logins[at]?.record.endsAt ?? 0) > Date.now()).sort()
}

const transaction = {
  tenant: 'https://acme.example',
  clientId: 'client',
  codeVerifier: 'verifier',
  redirectUri: 'https://app.example/auth/callback',
  returnTo: '/',
  cookieHash: 'hash',
}

function tokens(seconds: number) {
  return { accessToken: 'access', issuedAt: Date.now(), expiresAt: Date.now() + seconds * 1000 }
}

function login(user: string, seconds: number): LoginRecord {
  const now = Date.now()
  const identity = { tenant: 'https://acme.example', clientId: 'client', user: { id: user }, tokens: tokens(3600) }
  // The clock stands still between steps; two logins with one key never end in the same millisecond.
  return { ...identity, createdAt: now, refreshedAt: now, endsAt: now + seconds * 1000 + ++logins }
}

let logins = 0

/** Everything but Date. */
const doNotFake = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const
