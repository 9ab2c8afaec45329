import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type RedisCluster, startCluster } from 'test-support/redis-cluster'
import type { RedisServer } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type LoginStore, redisLoginStore } from '../src/index.ts'
import { sampleLogin, tour } from './support/login-store-tour.ts'
import { clusterClients, type TestClient } from './support/redis-clients.ts'
import { replicated } from './support/replication.ts'
import { startTraffic } from './support/traffic.ts'

const keys = [randomBytes(32).toString('base64')]

describe.each(Object.entries(clusterClients))(
  'a Redis login store on a Cluster that loses a master, with %s',
  (_, make) => {
    let cluster: RedisCluster
    let made: TestClient
    let store: LoginStore

    beforeAll(async () => {
      cluster = await startCluster()
      made = make(cluster)
      await made.connect()
      store = redisLoginStore(made.client, { keys })
    })
    afterAll(async () => {
      await store.close()
      await made.close()
      await cluster.stop()
    })

    it('continues after the loss of a master under load, with the existing logins', async () => {
      const record = sampleLogin()
      const names = Array.from({ length: 30 }, (_, at) => `survivor-${at}`)
      await Promise.all(names.map(name => store.createLogin(name, record, 600)))
      const subscription = store.subscribe(
        () => {},
        () => {},
      )
      await until(() => subscription.confirmed)
      await replicated(cluster.masters[0] as RedisServer)

      const traffic = startTraffic(store)
      try {
        await until(() => traffic.succeeded > 20)
        await cluster.masters[0]?.kill()
        await until(() => traffic.failed > 0)
        await until(() =>
          Promise.all(names.map(name => store.readLogin(name, 600))).then(
            logins => logins.every(Boolean),
            () => false,
          ),
        )
      } finally {
        await traffic.stop()
      }

      await until(() =>
        tour(store).then(
          () => true,
          () => false,
        ),
      )
      const listed = await store.loginKeys(record.tenant, record.user.id)
      expect([...listed].sort()).toEqual(names.sort())
      await until(() => subscription.confirmed)
      const notified = new Set<string>()
      let gaps = 0
      store.subscribe(
        ({ key }) => notified.add(key),
        () => gaps++,
      )
      expect((await Promise.all(listed.map(key => store.endLogin(key, 'logout')))).filter(Boolean)).toHaveLength(30)
      // Announcements may be lost only where a gap is reported.
      await until(() => notified.size === 30 || gaps > 0)
    })
  },
)
