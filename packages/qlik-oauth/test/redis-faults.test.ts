import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from '@jest/globals'
import { Redis, type RedisOptions } from 'ioredis'
import { Redis as Redis6 } from 'ioredis-6'
import { freePort } from 'test-support/free-port'
import { launch, type RedisServer, startRedis } from 'test-support/redis-server'
import { promptly, until } from 'test-support/until'
import { type LoginStore, QlikOAuthError, redisLoginStore } from '../src/index.ts'
import { everyCall, secrets, tour } from './support/login-store-tour.ts'

const limitMs = 250
const keys = [randomBytes(32).toString('base64')]
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe.each([
  ['ioredis 5', (options: RedisOptions) => new Redis(options)],
  // What the tests use of a client is the same in both.
  ['ioredis 6', (options: RedisOptions) => new Redis6(options as object) as unknown as Redis],
])('Redis faults with %s', (_, connect) => {
  it.each<[string, RedisOptions]>([
    ['a client with default options', {}],
    ['a client without an offline queue', { enableOfflineQueue: false }],
    ['a client that connects at its first command', { lazyConnect: true }],
    ['a client whose commands wait without limit', { maxRetriesPerRequest: null }],
  ])('fails in time while Redis is down at the start, and works once it is up: %s', async (_title, options) => {
    const port = await freePort()
    const store = storeOn(port, options)
    await expectUnavailable(store)
    const server = await launch([], { port })
    closing.push(server.stop)
    await until(() => works(store))
  })

  it('fails in time while Redis is down at run time, and works after it came back empty', async () => {
    const server = await redis()
    const store = storeOn(server.port)
    await until(() => works(store))
    await server.kill()
    await expectUnavailable(store)
    await server.restart()
    await until(() => works(store))
  })

  it('fails in time while Redis hangs, and works when it resumes', async () => {
    const server = await redis()
    const store = storeOn(server.port)
    await until(() => works(store))
    server.pause()
    await expectUnavailable(store)
    server.resume()
    await until(() => works(store))
  })

  it('fails at once while thousands of commands are overdue', async () => {
    const server = await redis()
    const store = storeOn(server.port)
    await until(() => works(store))
    server.pause()
    await Promise.allSettled(Array.from({ length: 3000 }, () => store.readLogin('key')))
    // At once: before any timer, of the command's time limit for one, can run out.
    const late = new Promise(resolve => setImmediate(resolve, 'late'))
    const error = await Promise.race([store.readLogin('key').catch(error => error), late])
    expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    server.resume()
    await until(() => works(store))
  })

  it('queues nothing in a client that is not connected', async () => {
    const server = await redis()
    const client = clientOn(server.port, { maxRetriesPerRequest: null })
    const store = storeOf(client)
    await store.ping()
    await server.kill()
    await emitted(client, 'close')
    await Promise.allSettled(Array.from({ length: 100 }, () => store.increment('flood', 60)))
    await server.restart()
    await until(() => works(store))
    expect(await client.get('qlik:{flood}:counter')).toBeNull()
  })

  it('waits for a connection that returns within the time limit', async () => {
    const server = await redis()
    const client = clientOn(server.port, { retryStrategy: () => 100 })
    const store = storeOf(client, 10_000)
    await store.ping()
    client.disconnect(true)
    await emitted(client, 'close')
    await tour(store)
  })

  it('fails within a second by default', async () => {
    const store = redisLoginStore(clientOn(await peer(() => {})), { keys })
    closing.push(store.close)
    await promptly(expect(store.readLogin('key')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' }))
  })

  it('fails at once on a closed client', async () => {
    const client = clientOn((await redis()).port)
    const store = storeOf(client)
    await store.ping()
    client.disconnect()
    await emitted(client, 'end')
    await expect(store.ping()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('fails writes while Redis is out of memory, and still reads', async () => {
    const server = await redis()
    const client = clientOn(server.port)
    const store = storeOf(client)
    await tour(store)
    await client.config('SET', 'maxmemory', '1')
    const { saveTransaction, createLogin, saveTokens, readLogin, ping } = everyCall(store)
    for (const write of [saveTransaction, createLogin, saveTokens]) {
      await expect(write?.()).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        message: expect.stringContaining('OOM'),
      })
    }
    await expect(readLogin?.()).resolves.toBeUndefined()
    await ping?.()
    await client.config('SET', 'maxmemory', '0')
    await tour(store)
  })

  it('fails writes on a replica, and works when it is promoted', async () => {
    const server = await redis()
    const client = clientOn(server.port)
    const store = storeOf(client)
    await client.call('replicaof', '127.0.0.1', await freePort())
    const { saveTransaction, createLogin, replaceLogin, increment, lock } = everyCall(store)
    for (const write of [saveTransaction, createLogin, replaceLogin, increment, lock]) {
      const outcome = await write?.().catch(error => error)
      if (outcome !== 'gone')
        expect(outcome).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', message: expect.stringContaining('READONLY') })
    }
    await client.call('replicaof', 'no', 'one')
    await tour(store)
  })

  it('loads its scripts again on a server without them', async () => {
    const client = clientOn((await redis()).port)
    const store = storeOf(client)
    await tour(store)
    await client.call('script', 'flush')
    await tour(store)
  })

  it.each([
    'LOADING Redis is loading the dataset in memory',
    'CLUSTERDOWN The cluster is down',
    'NOAUTH Authentication required.',
  ])('reports the error of the server: %s', async refusal => {
    const port = await peer(socket =>
      socket.on('data', data => socket.write(`-${refusal}\r\n`.repeat(String(data).split('\r\n*').length))),
    )
    const store = storeOn(port, { enableReadyCheck: false })
    await expectUnavailable(store)
  })

  it('fails in time when a server accepts connections and never responds', async () => {
    await expectUnavailable(storeOn(await peer(() => {})))
  })

  it('fails in time when a server responds one byte at a time', async () => {
    const port = await peer(socket => socket.on('data', () => socket.write('$')))
    await expectUnavailable(storeOn(port, { enableReadyCheck: false }))
  })

  function clientOn(port: number, options: RedisOptions = {}): Redis {
    const client = connect({ ...options, port, host: '127.0.0.1' })
    client.on('error', () => {})
    closing.push(() => client.disconnect())
    return client
  }

  function storeOf(client: Redis, commandTimeoutMs = limitMs): LoginStore {
    const store = redisLoginStore(client, { keys, commandTimeoutMs })
    closing.push(store.close)
    return store
  }

  function storeOn(port: number, options?: RedisOptions): LoginStore {
    return storeOf(clientOn(port, options))
  }
})

/** Unlike `once` of node:events, ignores an earlier `error`. */
function emitted(client: Redis, event: 'close' | 'end'): Promise<void> {
  return new Promise(resolve => client.once(event, () => resolve()))
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis()
  closing.push(server.stop)
  return server
}

/** A server that is not Redis; its behaviour is `onConnection`. */
async function peer(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function works(store: LoginStore): Promise<boolean> {
  return tour(store).then(
    () => true,
    error => {
      if (error instanceof QlikOAuthError) return false
      throw error
    },
  )
}

/** Every method fails within the time limit with ERR_STORE_UNAVAILABLE, and no error contains a secret. */
async function expectUnavailable(store: LoginStore): Promise<void> {
  const calls = Object.entries(everyCall(store))
  const outcomes = await promptly(
    Promise.all(calls.map(async ([name, call]) => ({ name, error: await call().catch(error => error) }))),
  )
  for (const { name, error } of outcomes) {
    expect({ name, error }).toEqual({ name, error: expect.any(QlikOAuthError) })
    expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', status: 503, retryAfterSeconds: 1 })
    for (const secret of Object.values(secrets)) expect(inspect(error, { depth: 9 })).not.toContain(secret)
  }
}
