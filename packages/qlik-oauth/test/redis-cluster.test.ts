import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisCluster, startCluster } from 'test-support/redis-cluster'
import type { RedisServer } from 'test-support/redis-server'
import { type LoginStore, redisLoginStore } from '../src/index.ts'
import { keySlot } from '../src/redis/clients/key-slot.ts'
import { concurrentContract } from './support/concurrent-contract.ts'
import { sampleLogin } from './support/login-store-tour.ts'
import { clusterClients, type TestClient } from './support/redis-clients.ts'

const keys = [randomBytes(32).toString('base64')]
let servers: RedisCluster

beforeAll(async () => {
  servers = await startCluster()
})
afterAll(() => servers.stop())

describe.each(Object.entries(clusterClients))('a Redis login store on a Cluster with %s', (version, make) => {
  let cluster: TestClient
  let store: LoginStore

  beforeAll(async () => {
    cluster = make(servers)
    await cluster.connect()
  })
  afterAll(async () => void (await cluster.close()))
  beforeEach(() => {
    store = redisLoginStore(cluster.client, { keys, commandTimeoutMs: 10_000 })
  })
  afterEach(() => store.close())

  concurrentContract(() => cluster.client, keys)

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
    // A key of another test in the same slot would stay behind.
    for (const { url } of servers.masters) {
      const redis = new Redis(url)
      await redis.flushall()
      redis.disconnect()
    }
    const record = sampleLogin()
    await store.createLogin(name, record, 600)
    const slot = keySlot(name)
    const nodes = await Promise.all(
      servers.masters.map(async ({ url, port }) => {
        const redis = new Redis(url)
        const owner = (await redis.cluster('COUNTKEYSINSLOT', slot)) > 0
        return { redis, port, id: await redis.cluster('MYID'), owner }
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

describe('the slot of a key', () => {
  it('is the one that Redis computes', async () => {
    const redis = new Redis((servers.masters[0] as RedisServer).url)
    const names = ['123456789', 'qlik:{key}:login', '{a}{b}', 'a{}{b}', 'a{b', 'a}b{c', 'a}b{c}', 'é{Ω}', '{}', 'x']
    const slots = await Promise.all(names.map(name => redis.cluster('KEYSLOT', name)))
    expect(names.map(keySlot)).toEqual(slots)
    redis.disconnect()
  })
})
