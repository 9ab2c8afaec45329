import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type RedisSentinel, startSentinel } from 'test-support/redis-sentinel'
import { until } from 'test-support/until'
import { redisLoginStore } from '../src/index.ts'
import { concurrentContract } from './support/concurrent-contract.ts'
import { sampleLogin, tour } from './support/login-store-tour.ts'
import { sentinelClients, type TestClient } from './support/redis-clients.ts'
import { replicated } from './support/replication.ts'
import { startTraffic } from './support/traffic.ts'

const keys = [randomBytes(32).toString('base64')]

describe.each(Object.entries(sentinelClients))('a Redis login store behind Sentinel with %s', (_, make) => {
  let servers: RedisSentinel
  let made: TestClient

  beforeAll(async () => {
    servers = await startSentinel()
    made = make(servers)
    await made.connect()
  })
  afterAll(async () => {
    await made.close()
    await servers.stop()
  })

  concurrentContract(() => made.client, keys)

  it('continues after the loss of the master under load, with the existing logins', async () => {
    const store = redisLoginStore(made.client, { keys })
    const record = sampleLogin()
    await store.createLogin('before', record, 600)
    await replicated(servers.master)
    let gaps = 0
    const subscription = store.subscribe(
      () => {},
      () => gaps++,
    )
    await until(() => subscription.confirmed)
    const gapsBefore = gaps

    const traffic = startTraffic(store)
    try {
      await until(() => traffic.succeeded > 20)
      await servers.master.kill()
      await until(() => traffic.failed > 0)
      const before = traffic.succeeded
      await until(() => traffic.succeeded > before + 20)
    } finally {
      await traffic.stop()
    }

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
