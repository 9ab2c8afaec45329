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
  it('goes on after the master was lost while calls were running, with the logins there were', async () => {
    const store = redisLoginStore(redis, { keys: [randomBytes(32).toString('base64')] })
    const record = sampleLogin()
    await store.createLogin('before', record, 600)
    await until(async () => (await redis.call('wait', 1, 100)) === 1)
    let lost = 0
    const watch = store.subscribe(
      () => {},
      () => lost++,
    )
    await until(() => watch.confirmed)
    const lostBefore = lost

    let failed = 0
    let succeeded = 0
    let over = false
    const traffic = Array.from({ length: 5 }, async () => {
      while (!over && redis.status !== 'end') {
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
    over = true
    await Promise.all(traffic)

    expect((await store.readLogin('before', 600))?.record).toEqual(record)
    await tour(store)
    await until(() => watch.confirmed)
    expect(lost).toBeGreaterThanOrEqual(lostBefore + 2)
    const heard = new Promise(resolve => store.subscribe(resolve, () => {}))
    await store.endLogin('before')
    expect(await heard).toEqual({ type: 'ended', key: 'before' })
    await store.close()
  })
})
