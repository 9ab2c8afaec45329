import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type LoginStore, redisLoginStore } from '../src/index.ts'
import { everyCall, sampleLogin, sampleTokens, sampleTransaction, secrets } from './support/login-store-tour.ts'

let server: RedisServer
let redis: Redis
let store: LoginStore

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
  store = redisLoginStore(redis, { keys: [randomBytes(32).toString('base64')] })
})

afterAll(async () => {
  await store.close()
  redis.disconnect()
  await server.stop()
})

describe('STORAGE.md', () => {
  it('lists exactly the keys that are written; each expires, and none contains a secret', async () => {
    const user = randomUUID()
    await store.createLogin(randomUUID(), sampleLogin(user), 1800)
    const renewed = randomUUID()
    await store.createLogin(renewed, sampleLogin(user), 1800)
    await store.readLogin(renewed, 1800)
    await store.replaceLogin(renewed, 1, sampleLogin(user))
    await store.saveTransaction(randomUUID(), sampleTransaction(), 600)
    await store.saveTokens(randomUUID(), sampleTokens())
    await store.lock(randomUUID(), 5000)
    const failed = await store.lock(randomUUID(), 5000)
    if (typeof failed === 'object') await failed.release(1000)
    const counter = randomUUID()
    for (let count = 0; count < 3; count++) await store.increment(counter, 60)
    for (const key of [randomUUID(), randomUUID()]) {
      await store.createLogin(key, sampleLogin(user), 1800)
      const ending = await store.endLogin(key, 'logout')
      if (ending !== undefined) await store.markReported(ending)
    }
    for (const call of Object.values(everyCall(store))) await call()

    const documented = patterns(
      (await readFile(new URL('../STORAGE.md', import.meta.url), 'utf8')).split(/^\| channel /m)[0] ?? '',
    )
    const used = new Set<string>()
    for (const key of await redis.keys('*')) {
      const matching = documented.filter(({ matches }) => matches.test(key))
      expect([key, matching.length]).toEqual([key, 1])
      used.add(matching[0]?.pattern ?? '')
      const value =
        (await redis.type(key)) === 'zset' ? (await redis.zrange(key, 0, -1)).join(' ') : ((await redis.get(key)) ?? '')
      for (const secret of [...Object.values(secrets), user, 'zoe@example.com'])
        expect(key + value).not.toContain(secret)
      const milliseconds = await redis.pttl(key)
      expect(milliseconds).toBeGreaterThan(0)
      expect(milliseconds).toBeLessThanOrEqual(43_200_000 + 86_400_000)
    }
    expect([...used].sort()).toEqual(documented.map(({ pattern }) => pattern).sort())
  })

  it('lists every channel', async () => {
    const subscription = store.subscribe(
      () => {},
      () => {},
    )
    await until(() => subscription.confirmed)
    const documented = patterns(
      (await readFile(new URL('../STORAGE.md', import.meta.url), 'utf8')).split(/^\| channel /m)[1] ?? '',
    )
    const channels = (await redis.pubsub('CHANNELS')).map(String)
    expect(channels).toHaveLength(documented.length)
    for (const { matches } of documented) expect(channels.filter(channel => matches.test(channel))).toHaveLength(1)
    await subscription.close()
  })
})

/** The first column of the table. */
function patterns(table: string): { pattern: string; matches: RegExp }[] {
  return [...table.matchAll(/^\| `(qlik:[^`]+)`/gm)].map(([, pattern = '']) => {
    const parts = pattern.split(/<\w+>/).map(part => part.replace(/[{}]/g, '\\$&'))
    return { pattern, matches: new RegExp(`^${parts.join('[\\w-]+')}$`) }
  })
}
