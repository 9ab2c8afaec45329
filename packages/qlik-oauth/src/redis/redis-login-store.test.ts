import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { sampleLogin, sampleTokens, sampleTransaction } from '../../test/support/login-store-tour.ts'
import type { LoginEnding, LoginStore } from '../stores/login-store.ts'
import { keyRing } from '../stores/seal.ts'
import { type RedisLoginStoreEvent, redisLoginStore } from './redis-login-store.ts'
import { endLogin, expireLogin } from './redis-scripts.ts'

const [oldKey, newKey] = [newSealKey(), newSealKey()]
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

describe('redis login store', () => {
  let events: RedisLoginStoreEvent[]
  let stores: LoginStore[]

  beforeEach(async () => {
    events = []
    stores = []
    await redis.flushall()
  })
  afterEach(() => Promise.all(stores.map(store => store.close())))

  function storeWith(...keys: string[]): LoginStore {
    const store = redisLoginStore(redis, { keys, onEvent: event => events.push(event) })
    stores.push(store)
    return store
  }

  it('reads a record sealed with an older key, and seals it with the newest at the next write', async () => {
    const record = sampleLogin()
    await storeWith(oldKey).createLogin('key', record, 60)
    const rotating = storeWith(newKey, oldKey)
    expect(await rotating.readLogin('key', 60)).toEqual({ record, version: 1 })
    expect(await rotating.replaceLogin('key', 1, record)).toBe('replaced')
    expect(await storeWith(newKey).readLogin('key', 60)).toEqual({ record, version: 2 })
    expect(events).toEqual([])
  })

  it.each<[string, (value: string) => string]>([
    ['empty', () => ''],
    ['of another format', () => '{"tokens":{}}'],
    ['truncated', value => value.slice(0, -5)],
    ['altered', value => value.slice(0, -5) + (value.endsWith('AAAAA') ? 'BBBBB' : 'AAAAA')],
    ['of another version', value => value.replace(/^1/, '2')],
    ['without a version', value => value.slice(2)],
    ['no login', () => `1 ${keyRing([oldKey]).seal('{"tenant":"t"}', 'qlik:{key}:login 1')}`],
    ['no JSON', () => `1 ${keyRing([oldKey]).seal('tenant', 'qlik:{key}:login 1')}`],
  ])('deletes a login that is %s, and reports it once', async (_, damage) => {
    const store = storeWith(oldKey)
    await store.createLogin('key', sampleLogin(), 60)
    await redis.set('qlik:{key}:login', damage((await redis.get('qlik:{key}:login')) ?? ''), 'KEEPTTL')
    expect(await Promise.all([store.readLogin('key', 60), store.readLogin('key')])).toEqual([undefined, undefined])
    expect(await redis.exists('qlik:{key}:login')).toBe(0)
    expect(events).toEqual([{ type: 'unreadableRecord', key: 'qlik:{key}:login' }])
  })

  it('does not read a value copied from another key', async () => {
    const store = storeWith(oldKey)
    await store.createLogin('mine', sampleLogin(), 60)
    for (const kind of ['login', 'idle']) await redis.copy(`qlik:{mine}:${kind}`, `qlik:{yours}:${kind}`)
    expect(await store.readLogin('yours', 60)).toBeUndefined()
    expect(await store.readLogin('mine')).toBeDefined()
    await store.saveTokens('mine', sampleTokens())
    await redis.copy('qlik:{mine}:tokens', 'qlik:{yours}:tokens')
    expect(await store.readTokens('yours')).toBeUndefined()
    await store.saveTransaction('mine', sampleTransaction(), 60)
    await redis.copy('qlik:{mine}:transaction', 'qlik:{yours}:transaction')
    expect(await store.takeTransaction('yours')).toBeUndefined()
    expect(events.map(({ type }) => type)).toEqual(['unreadableRecord', 'unreadableRecord', 'unreadableRecord'])
    expect(await redis.keys('qlik:{yours}:*')).toEqual([])
  })

  it('deletes an unreadable login at its end', async () => {
    const store = storeWith(oldKey)
    await store.createLogin('key', sampleLogin(), 60)
    await redis.append('qlik:{key}:login', 'AAAA')
    expect(await store.endLogin('key', 'logout')).toBeUndefined()
    expect(await redis.keys('qlik:{key}:*')).toEqual([])
    expect(events).toEqual([{ type: 'unreadableRecord', key: 'qlik:{key}:login' }])
  })

  it('recognises its own effect when a command is sent again', async () => {
    const store = storeWith(oldKey)
    await store.createLogin('key', sampleLogin(), 60)
    // As when the connection breaks after Redis executed the command.
    const twice = redisLoginStore(repeating(redis), { keys: [oldKey] })
    stores.push(twice)
    expect(await twice.replaceLogin('key', 1, sampleLogin())).toBe('replaced')
    expect((await store.readLogin('key'))?.version).toBe(2)
    expect(typeof (await twice.lock('key', 1000))).toBe('object')
  })

  it('removes expired logins from the list of their user', async () => {
    const store = storeWith(oldKey)
    const record = sampleLogin()
    await store.createLogin('brief', { ...record, endsAt: Date.now() + 50 }, 60)
    await store.createLogin('long', record, 60)
    while (Date.now() < record.createdAt + 100) await store.ping()
    await store.createLogin('next', record, 60)
    expect([...(await store.loginKeys(record.tenant, record.user.id))].sort()).toEqual(['long', 'next'])
  })

  it('reads a login in one command, and extends its idle time in the same packet once per tenth of it', async () => {
    const calls: string[] = []
    const store = redisLoginStore(observed(redis, calls), { keys: [oldKey] })
    stores.push(store)
    await storeWith(oldKey).createLogin('key', sampleLogin(), 60)
    for (let read = 0; read < 5; read++) await store.readLogin('key', 60)
    expect(calls).toEqual(['mget', 'pexpire', 'mget', 'mget', 'mget', 'mget'])
    await store.readLogin('key', 600)
    expect(calls.slice(6)).toEqual(['mget', 'pexpire'])
  })

  it('ends a login whose process died between the claim and the end, after the claim', async () => {
    const store = storeWith(oldKey)
    const record = sampleLogin()
    await store.createLogin('key', record, 0.1)
    while ((await store.idleLeft('key')) > 0) await store.ping()
    const dying = redisLoginStore(withoutScript(redis, expireLogin.sha), { keys: [oldKey] })
    stores.push(dying)
    await expect(dying.takeEnded(undefined, 500)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(await store.takeEnded()).toEqual([])
    const taken: LoginEnding[] = []
    await until(async () => taken.push(...(await store.takeEnded())) > 0)
    expect(taken).toMatchObject([{ key: 'key', record, reason: 'expired', reported: false }])
  })

  it('gives an ending to another process when the response was lost, with its reason', async () => {
    const store = storeWith(oldKey)
    const record = sampleLogin()
    await store.createLogin('key', record, 60)
    const deaf = redisLoginStore(withoutReplies(redis, endLogin.sha), { keys: [oldKey], commandTimeoutMs: 50 })
    stores.push(deaf)
    await expect(deaf.endLogin('key', 'administrator', 300)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(await store.readLogin('key')).toBeUndefined()
    expect(await store.endLogin('key', 'logout')).toBeUndefined()
    const taken: LoginEnding[] = []
    await until(async () => taken.push(...(await store.takeEnded())) > 0)
    expect(taken).toMatchObject([{ key: 'key', record, reason: 'administrator', reported: false }])
    for (const ending of taken) await store.completeEnding(ending)
    expect(await redis.keys('*')).toEqual([])
  })

  it('ends a login in a full Redis', async () => {
    const store = storeWith(oldKey)
    const record = sampleLogin()
    await store.createLogin('key', record, 60)
    await redis.config('SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction')
    try {
      await expect(store.createLogin('other', record, 60)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      const ending = await store.endLogin('key', 'logout')
      expect(ending).toMatchObject({ record })
      if (ending === undefined) return
      await store.markReported(ending)
      await store.completeEnding(ending)
      expect(await redis.keys('qlik:{key}:*')).toEqual([])
    } finally {
      await redis.config('SET', 'maxmemory', '0')
    }
  })

  it('reports a login that was evicted, once', async () => {
    const store = storeWith(oldKey)
    await store.createLogin('key', sampleLogin(), 60)
    await redis.del('qlik:{key}:login', 'qlik:{key}:idle')
    await makeDue()
    expect(await store.takeEnded()).toEqual([])
    // The first look may have come during the end of the login.
    expect(events).toEqual([])
    const later = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 61_000)
    try {
      await makeDue()
      for (let times = 0; times < 2; times++) expect(await store.takeEnded()).toEqual([])
    } finally {
      later.mockRestore()
    }
    expect(events).toEqual([{ type: 'lostLogin', key: 'qlik:{key}:login' }])
    expect(await dueLogins()).toBe(0)
  })

  it('looks at a thousand active logins once each, in few commands', async () => {
    const calls: string[] = []
    const store = redisLoginStore(observed(redis, calls), { keys: [oldKey], commandTimeoutMs: 10_000 })
    stores.push(store)
    const record = sampleLogin()
    await Promise.all(Array.from({ length: 1000 }, (_, at) => store.createLogin(`login-${at}`, record, 3)))
    await Promise.all(Array.from({ length: 1000 }, (_, at) => store.readLogin(`login-${at}`, 600)))
    while ((await redis.pttl('qlik:{login-999}:idle')) < 500_000) await store.ping()
    await until(async () => (await dueLogins()) === 1000)
    calls.length = 0
    expect(await store.takeEnded()).toEqual([])
    expect(calls.length).toBeLessThan(1100)
    expect(await dueLogins()).toBe(0)
    calls.length = 0
    expect(await store.takeEnded()).toEqual([])
    expect(calls.length).toBe(4)
  })

  async function makeDue(): Promise<void> {
    for (const index of await redis.keys('*:due'))
      for (const entry of await redis.zrange(index, 0, -1)) await redis.zadd(index, 0, entry)
  }

  async function dueLogins(): Promise<number> {
    const counts = await Promise.all((await redis.keys('*:due')).map(index => redis.zcount(index, 0, Date.now())))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  it.each<[unknown, string]>([
    [{ get() {}, sendCommand() {}, duplicate() {} }, 'got a client of node-redis in another version or form'],
    [undefined, 'got undefined'],
    ['redis://localhost', 'got "redis://localhost"'],
  ])('refuses what is no client of ioredis or node-redis: %p', (client, message) => {
    const unchecked: (redis: never) => unknown = redis => redisLoginStore(redis, { keys: [oldKey] })
    expect(() => unchecked(client as never)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    )
  })

  it.each([
    [{ keys: [] }, 'at least one key'],
    [{ keys: ['short'] }, '32 bytes'],
    [{ keys: [oldKey], commandTimeoutMs: 0 }, 'commandTimeoutMs'],
    [{ keys: [oldKey], commandTimeoutMs: '800' }, 'commandTimeoutMs'],
    [{ keys: [oldKey], commandTimeoutMs: Number.POSITIVE_INFINITY }, 'commandTimeoutMs'],
    [{ keys: [oldKey], prefx: 'app:' }, 'Did you mean prefix?'],
    [{ keys: [oldKey], prefix: 7 }, 'prefix'],
    [{ keys: [oldKey], onEvent: 7 }, 'onEvent'],
    [{ keys: oldKey }, 'keys'],
    [[oldKey], 'keys'],
    [undefined, 'keys'],
    [{ keys: [oldKey], commandTimeoutMs: Number.NaN }, 'commandTimeoutMs'],
  ])('refuses unusable options: %j', (options, message) => {
    expect(() => redisLoginStore(redis, options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    )
  })
})

/** A client that executes this script and never gets the reply. */
function withoutReplies(client: Redis, sha: string): Redis {
  return new Proxy(client, {
    get(target, name) {
      if (name !== 'call') return Reflect.get(target, name, target)
      return async (...args: Parameters<Redis['call']>) => {
        // The server does not have the script at first.
        const reply = await target.call(...args)
        return args.flat().some(text => text === sha || text === endLogin.lua) ? new Promise(() => {}) : reply
      }
    },
  })
}

/** A client whose connection breaks at this script. */
function withoutScript(client: Redis, sha: string): Redis {
  return new Proxy(client, {
    get(target, name) {
      if (name !== 'call') return Reflect.get(target, name, target)
      return (...args: Parameters<Redis['call']>) =>
        args.flat().includes(sha) ? Promise.reject(new Error('Connection is closed.')) : target.call(...args)
    },
  })
}

function newSealKey(): string {
  return randomBytes(32).toString('base64')
}

/** A client that sends every command twice. */
function repeating(client: Redis): Redis {
  return new Proxy(client, {
    get(target, name) {
      if (name !== 'call') return Reflect.get(target, name, target)
      return async (...args: Parameters<Redis['call']>) => {
        await target.call(...args)
        return target.call(...args)
      }
    },
  })
}

/** Collects the names of the commands. */
function observed(client: Redis, calls: string[]): Redis {
  return new Proxy(client, {
    get(target, name) {
      if (name !== 'call') return Reflect.get(target, name, target)
      return (...args: Parameters<Redis['call']>) => {
        calls.push(String(args[0]))
        return target.call(...args)
      }
    },
  })
}
