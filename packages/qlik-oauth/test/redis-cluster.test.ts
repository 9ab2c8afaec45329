import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster6 } from 'ioredis-6'
import { type RedisCluster, startCluster } from 'test-support/redis-cluster'
import { until } from 'test-support/until'
import { loginStoreContract } from '../contract/login-store-contract.ts'
import { type LoginStore, QlikOAuthError, redisLoginStore } from '../src/index.ts'
import { sampleLogin, tour } from './support/login-store-tour.ts'

const keys = [randomBytes(32).toString('base64')]
let servers: RedisCluster

beforeAll(async () => {
  servers = await startCluster()
})
afterAll(() => servers.stop())

describe.each([
  ['ioredis 5', () => new Cluster([...servers.masters])],
  ['ioredis 6', () => new Cluster6([...servers.masters]) as unknown as Cluster],
])('a Redis login store on a Cluster with %s', (version, connect) => {
  let cluster: Cluster
  let store: LoginStore

  beforeAll(() => {
    cluster = connect()
    cluster.on('error', () => {})
  })
  afterAll(() => cluster.disconnect())
  beforeEach(() => {
    store = redisLoginStore(cluster, { keys, commandTimeoutMs: 10_000 })
  })
  afterEach(() => store.close())

  loginStoreContract('contract', () => redisLoginStore(cluster, { keys, commandTimeoutMs: 10_000 }), { describe, it })

  it('ends all logins of a user on every node', async () => {
    const record = sampleLogin()
    const names = Array.from({ length: 30 }, (_, at) => `${version}-${at}`)
    await Promise.all(names.map(name => store.createLogin(name, record, 600)))
    const listed = await store.loginKeys(record.tenant, record.user.id)
    expect([...listed].sort()).toEqual(names.sort())
    const endings = await Promise.all(listed.map(key => store.endLogin(key, 'administrator')))
    expect(endings.every(ending => ending?.record.user.id === record.user.id)).toBe(true)
    await Promise.all(endings.map(ending => ending && store.completeEnding(ending)))
    expect(await store.loginKeys(record.tenant, record.user.id)).toEqual([])
  })

  it('follows a login to the node it moves to', async () => {
    const name = `moving-${version}`
    const record = sampleLogin()
    await store.createLogin(name, record, 600)
    const slot = await cluster.cluster('KEYSLOT', `{${name}}`)
    const nodes = await Promise.all(
      servers.masters.map(async ({ url, port }) => {
        const redis = new Redis(url)
        return {
          redis,
          port,
          id: await redis.cluster('MYID'),
          owner: (await redis.cluster('COUNTKEYSINSLOT', slot)) > 0,
        }
      }),
    )
    const from = nodes.find(node => node.owner) as (typeof nodes)[number]
    const to = nodes.find(node => !node.owner) as (typeof nodes)[number]
    await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id as string)
    await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id as string)
    const moved = [`qlik:{${name}}:login`, `qlik:{${name}}:idle`]
    await from.redis.call('migrate', '127.0.0.1', to.port, '', 0, 1000, 'KEYS', ...moved)
    expect((await store.readLogin(name, 600))?.record).toEqual(record)
    expect(await store.replaceLogin(name, 1, record)).toBe('replaced')
    for (const { redis } of [to, from]) await redis.cluster('SETSLOT', slot, 'NODE', to.id as string)
    expect((await store.readLogin(name))?.version).toBe(2)
    expect(await store.endLogin(name, 'logout')).toMatchObject({ record })
    for (const { redis } of nodes) redis.disconnect()
  })
})

describe('a Redis login store on a Cluster that loses a master', () => {
  let cluster: Cluster
  let store: LoginStore

  beforeAll(() => {
    cluster = new Cluster([...servers.masters])
    cluster.on('error', () => {})
    store = redisLoginStore(cluster, { keys })
  })
  afterAll(async () => {
    await store.close()
    cluster.disconnect()
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
    const first = new Redis((servers.masters[0] as (typeof servers.masters)[0]).url)
    await until(async () => isReplicated(await first.info('replication')))
    first.disconnect()

    let failed = 0
    let succeeded = 0
    let done = false
    const traffic = Array.from({ length: 5 }, async () => {
      while (!done && cluster.status !== 'end') {
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
    await servers.masters[0]?.kill()
    await until(() => failed > 0)
    await until(() =>
      Promise.all(names.map(name => store.readLogin(name, 600))).then(
        logins => logins.every(Boolean),
        () => false,
      ),
    )
    done = true
    await Promise.all(traffic)

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
})

/** WAIT counts only the writes of its own connection. */
function isReplicated(info: string): boolean {
  const [, written = ''] = /master_repl_offset:(\d+)/.exec(info) ?? []
  const [, received = ''] = /slave0:.*offset=(\d+)/.exec(info) ?? []
  return written !== '' && Number(received) >= Number(written)
}
