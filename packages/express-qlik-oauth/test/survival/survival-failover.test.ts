import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { startCluster } from 'test-support/redis-cluster'
import { startSentinel } from 'test-support/redis-sentinel'
import type { RedisServer } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { startRedisApplication } from '../support/redis-application.ts'
import { loggedIn } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let tenant: SimulatedTenant

beforeAll(async () => {
  tenant = await createTenant()
})
afterAll(() => tenant.close())

interface Redundant {
  readonly master: RedisServer
  readonly url: string
  stop(): Promise<void>
}

describe.each<[string, () => Promise<Redundant>]>([
  ['Sentinel', startSentinel],
  [
    'Cluster',
    async () =>
      startCluster().then(cluster => ({
        master: cluster.masters[0] as RedisServer,
        url: cluster.url,
        stop: cluster.stop,
      })),
  ],
])('after a failover of %s', (_name, startRedundant) => {
  it('all logins continue, and login, refresh, list, logout and endLogins work without a restart', async () => {
    const servers = await startRedundant()
    const application = await startRedisApplication(tenant, servers.url, keys)
    try {
      const { origin, qlik } = application
      // Enough logins for every master of a Cluster to hold some.
      const visitors = await Promise.all(Array.from({ length: 6 }, () => loggedIn(tenant, origin)))
      const [first, second] = visitors
      if (first === undefined || second === undefined) throw new Error('Nobody is logged in')
      const user = application.named('login')[0]?.user.id ?? ''
      await replicated(servers.master)
      await servers.master.kill()

      await Promise.all(visitors.map(visitor => until(async () => (await visitor.call(origin)).status === 200, 10_000)))
      tenant.expireAccessTokens()
      const before = tenant.tokenRequests('refresh_token').length
      await Promise.all(visitors.map(visitor => until(async () => (await visitor.call(origin)).status === 200)))
      expect(tenant.tokenRequests('refresh_token')).toHaveLength(before + 6)

      // The promoted server's slots may hold none of the six: a login of somebody new shows that those are served
      // again, too.
      const logsIn = () => loggedIn(tenant, origin).catch(() => undefined)
      let newcomer = await logsIn()
      await until(async () => {
        newcomer ??= await logsIn()
        return newcomer !== undefined
      })
      const late = newcomer ?? (await loggedIn(tenant, origin))
      expect(await qlik.logins(user)).toHaveLength(7)
      const socket = await late.openSocket(origin)
      expect((await first.logOut(origin)).status).toBe(204)
      expect(await first.mayCall(origin)).toBe(false)
      expect(await second.mayCall(origin)).toBe(true)
      expect(await qlik.endLogins(user)).toBe(6)
      expect(await socket.closed).toBe(4006)
      expect(await Promise.all(visitors.map(visitor => visitor.mayCall(origin)))).toEqual(visitors.map(() => false))
      expect(await qlik.logins(user)).toEqual([])
    } finally {
      await application.close()
      await servers.stop()
    }
  })
})

async function replicated(master: RedisServer): Promise<void> {
  const connection = new Redis(master.url)
  await connection.wait(1, 5000)
  connection.disconnect()
}
