import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisSentinel, startSentinel } from 'test-support/redis-sentinel'
import { until } from 'test-support/until'
import { QlikOAuthError, redisLoginStore } from '../src/index.ts'
import { sampleLogin, tour } from './support/login-store-tour.ts'

let sentinel: RedisSentinel
let redis: Redis

beforeAll(async () => {
  sentinel = await startSentinel()
  redis = new Redis({ sentinels: [sentinel.sentinel], name: 'master' })
  redis.on('error', () => {})
})

afterAll(async () => {
  redis.disconnect()
  await sentinel.stop()
})

describe('a Redis login store behind Sentinel', () => {
  it('continues after the loss of the master under load, with the existing logins', async () => {
    const store = redisLoginStore(redis, { keys: [randomBytes(32).toString('base64')] })
    const record = sampleLogin()
    await store.createLogin('before', record, 600)
    await until(async () => (await redis.call('wait', 1, 100)) === 1)
    let gaps = 0
    const subscription = store.subscribe(
      () => {},
      () => gaps++,
    )
    await until(() => subscription.confirmed)
    const gapsBefore = gaps

    let failed = 0
    let succeeded = 0
    let done = false
    const traffic = Array.from({ length: 5 }, async () => {
      while (!done && redis.status !== 'end') {
        await tour(store).then(
          () => succeeded++,
          error => {
            if (!(error instanceof QlikOAuthError)) throw error
            failed++
          },
        )
      }
    })
    await until(() => succeeded > 20)
    await sentinel.master.kill()
    await until(() => failed > 0)
    const before = succeeded
    await until(() => succeeded > before + 20)
    done = true
    await Promise.all(traffic)

    expect((await store.readLogin('before', 600))?.record).toEqual(record)
    await tour(store)
    await until(() => subscription.confirmed)
    expect(gaps).toBeGreaterThanOrEqual(gapsBefore + 2)
    const change = new Promise(resolve => store.subscribe(resolve, () => {}))
    await store.endLogin('before', 'logout')
    expect(await change).toEqual({ type: 'ended', key: 'before' })
    await store.close()
  })
})
