import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Redis as Redis6 } from 'ioredis-6'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type ChangeSubscription, type LoginStore, type RedisLoginStoreEvent, redisLoginStore } from '../src/index.ts'
import { sampleLogin } from './support/login-store-tour.ts'

const keys = [randomBytes(32).toString('base64')]
let server: RedisServer
let admin: Redis
let stores: LoginStore[]
let clients: Redis[]
let events: RedisLoginStoreEvent[]

beforeEach(async () => {
  server = await startRedis()
  stores = []
  clients = []
  events = []
  admin = client(new Redis(server.url))
})

afterEach(async () => {
  for (const store of stores) await store.close()
  for (const each of clients) each.disconnect()
  await server.stop()
})

describe.each([
  ['ioredis 5', () => new Redis(server.url)],
  ['ioredis 6', () => new Redis6(server.url) as unknown as Redis],
])('announcements over Redis with %s', (_, connect) => {
  it('reach the watchers of every other process', async () => {
    const [here, there] = [store(connect()), store(connect())]
    const heard: unknown[] = []
    const watch = there.subscribe(
      change => heard.push(change),
      () => {},
    )
    await until(() => watch.confirmed)
    await here.createLogin('key', sampleLogin(), 60)
    await here.replaceLogin('key', 1, sampleLogin())
    await here.endLogin('key')
    await until(() => heard.length === 2)
    expect(heard).toEqual([
      { type: 'changed', key: 'key' },
      { type: 'ended', key: 'key' },
    ])
  })

  it('are told to be lost at once when the connection breaks, and once more when they arrive again', async () => {
    const { watch, lost } = await watching(store(connect()))
    await admin.client('KILL', 'TYPE', 'pubsub')
    await until(() => lost.length === 2)
    expect(lost).toEqual([true, false])
    await until(() => watch.confirmed)
    expect(lost).toEqual([true, false, true])
    expect(events).toEqual([{ type: 'announcementsLost' }])
  })

  it('are told to be lost when Redis hangs, although no connection breaks', async () => {
    const { watch, lost } = await watching(store(connect()))
    server.pause()
    const startedAt = performance.now()
    await until(() => !watch.confirmed)
    expect(performance.now() - startedAt).toBeLessThan(1500)
    await until(() => lost.length === 2)
    server.resume()
    await until(() => watch.confirmed)
    expect(lost.length).toBe(3)
  })

  it('arrive again after Redis was away for longer than a connection is waited for', async () => {
    const { watch, lost } = await watching(store(connect()))
    await server.kill()
    await until(() => lost.length === 2)
    await server.restart()
    await until(() => watch.confirmed)
    expect(lost).toEqual([true, false, true])
  })
})

describe('the watch of a Redis login store', () => {
  it('begins before Redis is there', async () => {
    await server.kill()
    const watch = store(new Redis(server.url)).subscribe(
      () => {},
      () => {},
    )
    expect(watch.confirmed).toBe(false)
    await server.restart()
    await until(() => watch.confirmed)
  })

  it('uses one connection for all watchers and none without', async () => {
    const shared = store(new Redis(server.url))
    const watches = Array.from({ length: 5 }, () =>
      shared.subscribe(
        () => {},
        () => {},
      ),
    )
    await until(() => watches.every(({ confirmed: alive }) => alive))
    expect(await subscribers()).toBe(1)
    for (const watch of watches) await watch.close()
    await until(async () => (await subscribers()) === 0)
    expect(watches.some(({ confirmed: alive }) => alive)).toBe(false)
  })

  it('tells a watcher that comes later only of what is lost from then on', async () => {
    const shared = store(new Redis(server.url))
    await watching(shared)
    const lost: boolean[] = []
    const later = shared.subscribe(
      () => {},
      () => lost.push(later.confirmed),
    )
    expect(later.confirmed).toBe(true)
    await admin.client('KILL', 'TYPE', 'pubsub')
    await until(() => lost.length === 2)
  })

  it('discards a login that cannot be read, once, and announces its end', async () => {
    const [first, second] = [store(new Redis(server.url)), store(new Redis(server.url))]
    const heard: unknown[] = []
    const watch = first.subscribe(
      change => heard.push(change),
      () => {},
    )
    await until(() => watch.confirmed)
    await admin.set('qlik:{key}:login', '1 broken')
    expect(
      await Promise.all([first.readLogin('key', 60), second.readLogin('key', 60), first.readLogin('key')]),
    ).toEqual([undefined, undefined, undefined])
    await until(() => heard.length > 0)
    expect(heard).toEqual([{ type: 'ended', key: 'key' }])
    expect(events).toEqual([{ type: 'unreadableRecord', key: 'qlik:{key}:login' }])
    expect(await admin.exists('qlik:{key}:login')).toBe(0)
  })

  it('writes nothing while nobody watches, and lets the process end after close', async () => {
    const program = `
      import { Redis } from 'ioredis'
      import { redisLoginStore } from 'qlik-oauth'
      const redis = new Redis('${server.url}')
      const store = redisLoginStore(redis, { keys: ['${keys[0]}'] })
      await store.ping()
      const quiet = await redis.info('commandstats')
      const watch = store.subscribe(() => {}, () => {})
      while (!watch.confirmed) await new Promise(resolve => setImmediate(resolve))
      const watched = await redis.info('commandstats')
      await watch.close()
      await store.close()
      await redis.quit()
      console.log(/cmdstat_publish/.test(quiet), /cmdstat_publish/.test(watched))`
    const tsx = import.meta.resolve('tsx')
    const child = spawn(
      process.execPath,
      ['--conditions=source', '--import', tsx, '--input-type=module', '--eval', program],
      {
        cwd: new URL('..', import.meta.url),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let output = ''
    child.stdout.on('data', data => {
      output += data
    })
    expect(await once(child, 'close')).toEqual([0, null])
    expect(output).toBe('false true\n')
  })
})

function client(redis: Redis): Redis {
  redis.on('error', () => {})
  clients.push(redis)
  return redis
}

function store(redis: Redis): LoginStore {
  const made = redisLoginStore(client(redis), { keys, commandTimeoutMs: 300, onEvent: event => events.push(event) })
  stores.push(made)
  return made
}

/** A watch that has proved itself, with what `alive` was at each call of `lost`. */
async function watching(on: LoginStore): Promise<{ watch: ChangeSubscription; lost: boolean[] }> {
  const lost: boolean[] = []
  const watch = on.subscribe(
    () => {},
    () => lost.push(watch.confirmed),
  )
  await until(() => watch.confirmed)
  return { watch, lost }
}

async function subscribers(): Promise<number> {
  const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
  return list.split('\n').filter(Boolean).length
}
