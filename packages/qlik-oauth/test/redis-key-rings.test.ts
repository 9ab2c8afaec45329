import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { launch, type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type LoginStore, type RedisLoginStoreEvent, redisLoginStore } from '../src/index.ts'
import { sampleLogin, sampleTokens, sampleTransaction } from './support/login-store-tour.ts'

const [a, b, c] = [newKey(), newKey(), newKey()]
const unavailable = { code: 'ERR_STORE_UNAVAILABLE', status: 503 }
let server: RedisServer
let redis: Redis
let stores: LoginStore[]
let events: RedisLoginStoreEvent[]

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(async () => {
  stores = []
  events = []
  await redis.flushall()
})
afterEach(() => Promise.all(stores.map(store => store.close())))

function storeWith(...keys: string[]): LoginStore {
  const store = redisLoginStore(redis, { keys, onEvent: event => events.push(event) })
  stores.push(store)
  return store
}

function newKey(): string {
  return randomBytes(32).toString('base64')
}

async function idleEnd(store: LoginStore, key: string): Promise<void> {
  await until(async () => (await store.idleLeft(key)) === 0)
}

describe('a process whose keys are wrong', () => {
  it('does not keep extending the idle time of a foreign login', async () => {
    const [right, wrong] = [storeWith(a), storeWith(b)]
    await right.createLogin('key', sampleLogin(), 60)
    await expect(wrong.readLogin('key', 60)).rejects.toMatchObject(unavailable)
    await redis.pexpire('qlik:{key}:idle', 30_000)
    for (let times = 0; times < 3; times++)
      await expect(wrong.readLogin('key', 1800)).rejects.toMatchObject(unavailable)
    expect(await redis.pttl('qlik:{key}:idle')).toBeLessThanOrEqual(30_000)
  })

  it('leaves every record as it is, reports each once, and fails where the caller needs it', async () => {
    const [right, wrong] = [storeWith(a), storeWith(b)]
    const record = sampleLogin()
    const tokens = sampleTokens()
    const transaction = sampleTransaction()
    await right.createLogin('key', record, 60)
    await right.saveTransaction('key', transaction, 60)
    await right.saveTokens('key', tokens)
    const stored = await dump()

    for (let times = 0; times < 3; times++) {
      await expect(wrong.readLogin('key', 60)).rejects.toMatchObject(unavailable)
      await expect(wrong.endLogin('key', 'logout')).rejects.toMatchObject(unavailable)
      await expect(wrong.takeTransaction('key')).rejects.toMatchObject(unavailable)
      expect(await wrong.readTokens('key')).toBeUndefined()
      await wrong.saveTokens('key', sampleTokens())
    }
    expect(await dump()).toEqual(stored)
    expect(events).toEqual(
      ['login', 'transaction', 'tokens'].map(kind => ({ type: 'unknownKey', key: `qlik:{key}:${kind}` })),
    )
    expect(await right.readLogin('key')).toEqual({ record, version: 1 })
    expect(await right.takeTransaction('key')).toEqual(transaction)
    expect(await right.readTokens('key')).toEqual(tokens)
  })

  it('ends no login by its clock', async () => {
    const [right, wrong] = [storeWith(a), storeWith(b)]
    const record = sampleLogin()
    await right.createLogin('key', record, 0.1)
    await idleEnd(right, 'key')
    expect(await wrong.takeEnded()).toEqual([])
    expect(await right.takeEnded()).toMatchObject([{ key: 'key', record }])
  })

  it('is not mistaken for a damaged record: what fails under a known key is deleted', async () => {
    const store = storeWith(a)
    await store.createLogin('key', sampleLogin(), 60)
    await redis.append('qlik:{key}:login', 'AAAA')
    expect(
      await storeWith(b)
        .readLogin('key')
        .catch(error => error),
    ).toMatchObject(unavailable)
    expect(await store.readLogin('key')).toBeUndefined()
    expect(await redis.keys('qlik:{key}:*')).toEqual([])
    expect(events.map(({ type }) => type)).toEqual(['unknownKey', 'unreadableRecord'])
  })
})

describe('two deployments in one Redis', () => {
  it('list and end the logins of a user each for itself', async () => {
    const [ours, theirs] = [storeWith(a), storeWith(b)]
    const record = sampleLogin()
    await ours.createLogin('ours', record, 60)
    await theirs.createLogin('theirs', record, 60)
    expect(await ours.loginKeys(record.tenant, record.user.id)).toEqual(['ours'])
    expect(await theirs.loginKeys(record.tenant, record.user.id)).toEqual(['theirs'])
    expect(await ours.endLogin('ours', 'logout')).toMatchObject({ record })
    expect(await theirs.readLogin('theirs')).toEqual({ record, version: 1 })
    expect(events).toEqual([])
  })
})

describe('the ending of a login that another process left unfinished', () => {
  it('is not taken over by another deployment in the same Redis', async () => {
    const [ours, theirs] = [storeWith(a), storeWith(b)]
    await ours.createLogin('key', sampleLogin(), 60)
    const ending = await ours.endLogin('key', 'logout', 1)
    const stored = await dump()
    await until(async () => (await redis.zcount((await redis.keys('*:due'))[0] ?? '', 0, Date.now())) > 0)
    expect(await theirs.takeEnded()).toEqual([])
    expect(await dump()).toEqual(stored)
    expect(events).toEqual([])
    expect(await ours.takeEnded()).toEqual([ending])
  })

  it('stays when its key has left the ring', async () => {
    const rotating = storeWith(b, a)
    await storeWith(a).createLogin('key', sampleLogin(), 60)
    const ending = await rotating.endLogin('key', 'logout', 1)
    await until(async () => {
      expect(await storeWith(b).takeEnded(undefined, 1)).toEqual([])
      return events.length > 0
    })
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['unknownKey']))
    await until(async () => {
      const taken = await rotating.takeEnded()
      return taken.some(({ id }) => id === ending?.id)
    })
  })
})

describe('a key rotation', () => {
  it.each([
    ['forward', [a], [a, b], [b, a]],
    ['back', [b], [b, a], [a, b]],
  ])('%s works at every step with processes of the step before', async (_, ...steps) => {
    for (const [step, keys] of steps.entries()) {
      const before = storeWith(...(steps[step - 1] ?? keys))
      const after = storeWith(...keys)
      for (const [writer, reader] of [
        [before, after],
        [after, before],
      ] as const) {
        const key = randomUUID()
        const record = sampleLogin()
        await writer.createLogin(key, record, 60)
        expect(await reader.replaceLogin(key, 1, record)).toBe('replaced')
        expect(await writer.readLogin(key, 60)).toEqual({ record, version: 2 })
        expect(await reader.loginKeys(record.tenant, record.user.id)).toEqual([key])
        expect(await writer.loginKeys(record.tenant, record.user.id)).toEqual([key])
        const ending = await reader.endLogin(key, 'logout', 1)
        expect(ending).toMatchObject({ record })
        await until(async () => (await writer.takeEnded()).some(({ id }) => id === ending?.id))
        if (ending !== undefined) await writer.completeEnding(ending)
        expect(await writer.loginKeys(record.tenant, record.user.id)).toEqual([])
        await writer.saveTransaction(key, sampleTransaction(), 60)
        expect(await reader.takeTransaction(key)).toEqual(sampleTransaction())
        await writer.createLogin(key, record, 0.1)
        await idleEnd(reader, key)
        const [expired] = await reader.takeEnded()
        expect(expired).toMatchObject({ key, record, reason: 'expired' })
        if (expired !== undefined) await writer.completeEnding(expired)
      }
    }
    expect(events).toEqual([])
  })

  it('lets the old key go once a login was sealed with the new one', async () => {
    const record = sampleLogin()
    await storeWith(a).createLogin('key', record, 0.5)
    await storeWith(b, a).replaceLogin('key', 1, record)
    const after = storeWith(b)
    expect(await after.readLogin('key')).toEqual({ record, version: 2 })
    expect(await after.loginKeys(record.tenant, record.user.id)).toEqual(['key'])
    await idleEnd(after, 'key')
    // The index of the new key looks at it a minute after the write.
    const indexes = await redis.keys('*:due')
    for (const index of indexes) await redis.zadd(index, 'XX', 0, `${record.endsAt} key`)
    expect(await after.takeEnded()).toMatchObject([{ key: 'key', record }])
  })

  it('skips what a dropped key has sealed', async () => {
    const record = sampleLogin()
    await storeWith(c).createLogin('key', record, 60)
    const after = storeWith(b, a)
    expect(await after.loginKeys(record.tenant, record.user.id)).toEqual([])
    await expect(after.readLogin('key')).rejects.toMatchObject(unavailable)
  })
})

describe('a restored backup', () => {
  it('brings back older versions, which are read as they are and replaced like others', async () => {
    const store = storeWith(a)
    const record = sampleLogin()
    await store.createLogin('key', record, 60)
    const backup = await redis.dumpBuffer('qlik:{key}:login')
    const newer = { ...record, refreshedAt: record.createdAt + 1 }
    await store.replaceLogin('key', 1, newer)
    await store.replaceLogin('key', 2, newer)
    expect((await store.readLogin('key'))?.version).toBe(3)
    await redis.restore('qlik:{key}:login', 60_000, backup, 'REPLACE')
    expect(await store.readLogin('key')).toEqual({ record, version: 1 })
    expect(await store.replaceLogin('key', 3, newer)).toBe('changed')
    expect(await store.replaceLogin('key', 1, newer)).toBe('replaced')
  })

  it('that is older than the idle time brings back no login that ended since: the first sweep ends them', async () => {
    const own = await launch([])
    const client = new Redis(own.url)
    const store = redisLoginStore(client, { keys: [a], commandTimeoutMs: 10_000 })
    stores.push(store)
    try {
      const record = sampleLogin()
      await store.createLogin('ended', record, 0.5)
      await store.createLogin('active', record, 0.5)
      await client.save()
      const ending = await store.endLogin('ended', 'logout')
      if (ending !== undefined) await store.completeEnding(ending)
      await idleEnd(store, 'active')
      await own.restart()
      await until(async () => (await client.dbsize()) > 0)
      expect([await store.readLogin('ended'), await store.readLogin('active')]).toEqual([undefined, undefined])
      const taken = await store.takeEnded()
      expect(taken.map(({ key, reason }) => [key, reason]).sort()).toEqual([
        ['active', 'expired'],
        ['ended', 'expired'],
      ])
    } finally {
      client.disconnect()
      await own.stop()
    }
  })

  it('brings back no login that was ended by its clock before: the first sweep ends it', async () => {
    const store = storeWith(a)
    const record = { ...sampleLogin(), endsAt: Date.now() + 200 }
    await store.createLogin('key', record, 60)
    const backup = await dump()
    const taken: unknown[] = []
    await until(async () => taken.push(...(await store.takeEnded())) > 0)
    for (const [key, value] of backup) await redis.restore(key, 60_000, value, 'REPLACE')
    expect([...taken, ...(await store.takeEnded())]).toMatchObject([
      { key: 'key', record },
      { key: 'key', record },
    ])
    expect(await store.readLogin('key')).toBeUndefined()
  })
})

async function dump(): Promise<(readonly [string, Buffer])[]> {
  const keys = (await redis.keys('*')).filter(key => !key.endsWith(':idle')).sort()
  return await Promise.all(keys.map(async key => [key, await redis.dumpBuffer(key)] as const))
}
