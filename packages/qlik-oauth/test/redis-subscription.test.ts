import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { promptly, until } from 'test-support/until'
import {
  type LoginChangeSubscription,
  type LoginStore,
  type RedisLoginStoreEvent,
  redisLoginStore,
} from '../src/index.ts'
import { sampleLogin } from './support/login-store-tour.ts'
import { type Address, type ClientMaker, clientForms, singleClients, type TestClient } from './support/redis-clients.ts'

const keys = [randomBytes(32).toString('base64')]
let server: RedisServer
let admin: Redis
let stores: LoginStore[]
let open: TestClient[]
let events: RedisLoginStoreEvent[]

beforeEach(async () => {
  server = await startRedis()
  stores = []
  open = []
  events = []
  admin = new Redis(server.url)
  admin.on('error', () => {})
})

afterEach(async () => {
  for (const store of stores) await store.close()
  for (const each of open) await each.close()
  admin.disconnect()
  await server.stop()
})

const clients = { ...singleClients, 'a pool of node-redis 6': clientForms['a pool of node-redis 6'] }

describe.each(Object.entries(clients))('announcements over Redis with %s', (_, make) => {
  const connect = () => started(make)

  it('reach the subscribers of every other process', async () => {
    const [here, there] = [store(connect()), store(connect())]
    const changes: unknown[] = []
    const subscription = there.subscribe(
      change => changes.push(change),
      () => {},
    )
    await until(() => subscription.confirmed)
    await here.createLogin('key', sampleLogin(), 60)
    await here.replaceLogin('key', 1, sampleLogin())
    await here.endLogin('key', 'logout')
    await until(() => changes.length === 2)
    expect(changes).toEqual([
      { type: 'changed', key: 'key' },
      { type: 'ended', key: 'key' },
    ])
  })

  it('are reported lost at once when the connection breaks, and once more when they arrive again', async () => {
    const { subscription, gaps } = await confirmedSubscription(store(connect()))
    await admin.client('KILL', 'TYPE', 'pubsub')
    await until(() => gaps.length === 2)
    expect(gaps).toEqual([true, false])
    await until(() => subscription.confirmed)
    expect(gaps).toEqual([true, false, true])
    expect(events).toEqual([{ type: 'announcementsLost' }])
  })

  it('are reported lost when Redis hangs, although no connection breaks', async () => {
    const { subscription, gaps } = await confirmedSubscription(store(connect()))
    server.pause()
    await promptly(until(() => !subscription.confirmed))
    await until(() => gaps.length === 2)
    server.resume()
    await until(() => subscription.confirmed)
    expect(gaps.length).toBe(3)
  })

  it('arrive again after Redis was down for longer than a connection attempt lasts', async () => {
    const { subscription, gaps } = await confirmedSubscription(store(connect()))
    await server.kill()
    await until(() => gaps.length === 2)
    await server.restart()
    await until(() => subscription.confirmed)
    expect(gaps).toEqual([true, false, true])
  })
})

describe('the subscription of a Redis login store', () => {
  it('begins before Redis is up', async () => {
    await server.kill()
    const subscription = store(started(singleClients['ioredis 5'])).subscribe(
      () => {},
      () => {},
    )
    expect(subscription.confirmed).toBe(false)
    await server.restart()
    await until(() => subscription.confirmed)
  })

  it('uses one connection for all subscribers and none without', async () => {
    const shared = store(started(singleClients['ioredis 5']))
    const subscriptions = Array.from({ length: 5 }, () =>
      shared.subscribe(
        () => {},
        () => {},
      ),
    )
    await until(() => subscriptions.every(({ confirmed }) => confirmed))
    expect(await subscribers()).toBe(1)
    for (const subscription of subscriptions) await subscription.close()
    await until(async () => (await subscribers()) === 0)
    expect(subscriptions.some(({ confirmed }) => confirmed)).toBe(false)
  })

  it('reports to a later subscriber only the gaps after it subscribed', async () => {
    const shared = store(started(singleClients['ioredis 5']))
    await confirmedSubscription(shared)
    const gaps: boolean[] = []
    const later = shared.subscribe(
      () => {},
      () => gaps.push(later.confirmed),
    )
    expect(later.confirmed).toBe(true)
    await admin.client('KILL', 'TYPE', 'pubsub')
    await until(() => gaps.length === 2)
  })

  it('deletes an unreadable login once, and announces its end', async () => {
    const [first, second] = [store(started(singleClients['ioredis 5'])), store(started(singleClients['ioredis 5']))]
    const changes: unknown[] = []
    let gaps = 0
    const subscription = first.subscribe(
      change => changes.push(change),
      () => {
        gaps += 1
      },
    )
    await until(() => subscription.confirmed)
    gaps = 0
    await admin.mset('qlik:{key}:login', '1 broken', 'qlik:{key}:idle', '')
    expect(
      await Promise.all([first.readLogin('key', 60), second.readLogin('key', 60), first.readLogin('key')]),
    ).toEqual([undefined, undefined, undefined])
    // On a busy machine the connection may be replaced just then, which subscribers hear as a gap.
    await until(() => changes.length + gaps > 0)
    if (gaps === 0) expect(changes).toEqual([{ type: 'ended', key: 'key' }])
    expect(events).toContainEqual({ type: 'unreadableRecord', key: 'qlik:{key}:login' })
    expect(await admin.exists('qlik:{key}:login')).toBe(0)
  })

  it('sends nothing without subscribers, and lets the process end after close', async () => {
    const program = `
      import { Redis } from 'ioredis'
      import { redisLoginStore } from 'qlik-oauth'
      const redis = new Redis('${server.url}')
      const store = redisLoginStore(redis, { keys: ['${keys[0]}'] })
      await store.ping()
      const quiet = await redis.info('commandstats')
      const subscription = store.subscribe(() => {}, () => {})
      while (!subscription.confirmed) await new Promise(resolve => setImmediate(resolve))
      const whileSubscribed = await redis.info('commandstats')
      await subscription.close()
      await store.close()
      await redis.quit()
      console.log(/cmdstat_publish/.test(quiet), /cmdstat_publish/.test(whileSubscribed))`
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

/** A client that connects in the background, as one does whose server may be down. */
function started(make: ClientMaker<Address> | undefined): TestClient {
  if (make === undefined) throw new Error('There is no such client')
  const made = make(server)
  open.push(made)
  made.connect().catch(() => {})
  return made
}

function store({ client }: TestClient): LoginStore {
  const made = redisLoginStore(client, { keys, commandTimeoutMs: 1000, onEvent: event => events.push(event) })
  stores.push(made)
  return made
}

/** A confirmed subscription, with the value of `confirmed` at each gap. */
async function confirmedSubscription(
  on: LoginStore,
): Promise<{ subscription: LoginChangeSubscription; gaps: boolean[] }> {
  const gaps: boolean[] = []
  const subscription = on.subscribe(
    () => {},
    () => gaps.push(subscription.confirmed),
  )
  await until(() => subscription.confirmed)
  return { subscription, gaps }
}

async function subscribers(): Promise<number> {
  const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
  return list.split('\n').filter(Boolean).length
}
