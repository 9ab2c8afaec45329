import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { qlikClient, redisLoginStore } from 'qlik-oauth'
import { createLogins } from 'qlik-oauth/internal'
import { type RedisServer, startRedis } from 'test-support/redis-server'

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

it('the list of the logins of a user takes two round trips, however many they are', async () => {
  const web = qlikClient({ tenant: 'https://acme.example', clientId: 'web', clientSecret: 'hush' })
  const round = heldRedis(redis)
  const store = redisLoginStore(round.client, { keys: [randomBytes(32).toString('base64')] })
  const logins = createLogins({ store, clientOf: () => web, emit: () => {}, idleSeconds: 600 })
  try {
    const now = Date.now()
    const tokens = { accessToken: 'access', issuedAt: now, expiresAt: now + 3600_000 }
    const keys = ['a', 'b', 'c', 'd', 'e']
    const created = Promise.all(
      keys.map(key =>
        logins.create(key, { client: web, user: { id: 'ada' }, tokens, device: { address: `at-${key}` } }),
      ),
    )
    await round.untilSettled(created)

    const listing = logins.list('https://acme.example', 'ada')
    await nextTurn()
    expect(await round.release()).toEqual(['zrange'])
    await nextTurn()
    expect((await round.release()).sort()).toEqual(keys.flatMap(() => ['mget', 'exists', 'pttl']).sort())
    const listed = await listing
    expect(listed.map(({ record }) => record.address).sort()).toEqual(keys.map(key => `at-${key}`))
    for (const { lastUsedAt } of listed) {
      expect(lastUsedAt).toBeGreaterThanOrEqual(now)
      expect(lastUsedAt).toBeLessThanOrEqual(Date.now())
    }
  } finally {
    await logins.close()
    await store.close()
    await web.close()
  }
})

/** A client whose commands are sent when they are released. */
function heldRedis(client: Redis) {
  let held: { readonly command: string; readonly send: () => Promise<unknown> }[] = []

  /** @returns The names of the commands, after their replies. */
  async function release(): Promise<string[]> {
    const released = held
    held = []
    await Promise.all(released.map(({ send }) => send()))
    return released.map(({ command }) => command)
  }

  return {
    release,
    async untilSettled(promise: Promise<unknown>): Promise<void> {
      let settled = false
      void promise.finally(() => (settled = true))
      while (!settled) {
        await release()
        await nextTurn()
      }
      await promise
    },
    client: new Proxy(client, {
      get(target, name) {
        if (name !== 'call') return Reflect.get(target, name, target)
        return (...args: Parameters<Redis['call']>) =>
          new Promise((resolve, reject) => {
            held.push({ command: String(args[0]), send: () => target.call(...args).then(resolve, reject) })
          })
      },
    }),
  }
}
