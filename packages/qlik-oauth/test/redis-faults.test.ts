import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { freePort } from 'test-support/free-port'
import { launch, type RedisServer, startRedis } from 'test-support/redis-server'
import { promptly, until } from 'test-support/until'
import { type LoginStore, QlikOAuthError, redisLoginStore } from '../src/index.ts'
import { everyCall, sampleLogin, secrets, tour } from './support/login-store-tour.ts'
import {
  type Address,
  type ClientMaker,
  outageForms,
  plainForms,
  singleClients,
  type TestClient,
} from './support/redis-clients.ts'

const limitMs = 250
const keys = [randomBytes(32).toString('base64')]
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe.each(Object.keys(singleClients))('Redis faults with %s', kind => {
  it.each(Object.keys(outageForms[kind] ?? {}))(
    'fails in time while Redis is down at the start, and works once it is up: a client %s',
    async form => {
      const port = await freePort()
      const store = storeOf(outageForms[kind]?.[form], port)
      await expectUnavailable(store)
      const server = await launch([], { port })
      closing.push(server.stop)
      await until(() => works(store))
    },
  )

  it.each(['with default options', 'that is a pool'].filter(form => outageForms[kind]?.[form] !== undefined))(
    'fails in time while Redis is down at run time, and works after it came back empty: a client %s',
    async form => {
      const server = await redis()
      const store = storeOf(outageForms[kind]?.[form], server.port)
      await until(() => works(store))
      await server.kill()
      await expectUnavailable(store)
      await server.restart()
      await until(() => works(store))
    },
  )

  it.each(['with default options', 'that is a pool'].filter(form => outageForms[kind]?.[form] !== undefined))(
    'fails in time while Redis hangs, and works when it resumes: a client %s',
    async form => {
      const server = await redis()
      const store = storeOf(outageForms[kind]?.[form], server.port)
      await until(() => works(store))
      server.pause()
      await expectUnavailable(store)
      server.resume()
      await until(() => works(store))
    },
  )

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
    const store = storeOn(server.port)
    await until(() => works(store))
    await server.kill()
    await until(async () => !(await works(store)))
    await Promise.allSettled(Array.from({ length: 100 }, () => store.increment('flood', 60)))
    await server.restart()
    await until(() => works(store))
    expect(await adminOf(server).get('qlik:{flood}:counter')).toBeNull()
  })

  it('repeats the commands of a connection that breaks, within the time limit', async () => {
    const server = await redis()
    const store = storeOn(server.port, 10_000)
    const record = sampleLogin()
    await store.createLogin('key', record, 60)
    const admin = adminOf(server)
    const dropped = admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const logins = await Promise.all(Array.from({ length: 100 }, () => store.readLogin('key')))
    await dropped
    await tour(store)
    expect(logins.every(login => login?.version === 1)).toBe(true)
  })

  it('fails within a second by default', async () => {
    const made = connecting(singleClients[kind], await peer(() => {}))
    const store = redisLoginStore(made.client, { keys })
    closing.push(store.close)
    await promptly(expect(store.readLogin('key')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' }))
  })

  it('fails at once on a closed client, and leaves it closed', async () => {
    const server = await redis()
    const made = connecting(singleClients[kind], server.port)
    const store = redisLoginStore(made.client, { keys, commandTimeoutMs: 60_000 })
    closing.push(store.close)
    await store.ping()
    await made.close()
    const closed = { code: 'ERR_STORE_UNAVAILABLE', message: expect.stringContaining('closed') }
    await until(() =>
      store.ping().then(
        () => false,
        error => expect(error).toMatchObject(closed) === undefined,
      ),
    )
    await promptly(expect(store.readLogin('key')).rejects.toMatchObject(closed))
  })

  it('fails writes while Redis is out of memory, and still reads', async () => {
    const server = await redis()
    const admin = adminOf(server)
    const store = storeOn(server.port, 10_000)
    await tour(store)
    await admin.config('SET', 'maxmemory', '1')
    const { saveTransaction, createLogin, saveTokens, readLogin, ping } = everyCall(store)
    for (const write of [saveTransaction, createLogin, saveTokens]) {
      await expect(write?.()).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        message: expect.stringContaining('OOM'),
      })
    }
    await expect(readLogin?.()).resolves.toBeUndefined()
    await ping?.()
    await admin.config('SET', 'maxmemory', '0')
    await tour(store)
  })

  it('fails writes on a replica, and works when it is promoted', async () => {
    const server = await redis()
    const admin = adminOf(server)
    const store = storeOn(server.port, 10_000)
    await admin.call('replicaof', '127.0.0.1', await freePort())
    const { saveTransaction, createLogin, replaceLogin, increment, lock } = everyCall(store)
    for (const write of [saveTransaction, createLogin, replaceLogin, increment, lock]) {
      const outcome = await write?.().catch(error => error)
      if (outcome !== 'gone')
        expect(outcome).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', message: expect.stringContaining('READONLY') })
    }
    await admin.call('replicaof', 'no', 'one')
    await tour(store)
  })

  it('loads its scripts again on a server without them', async () => {
    const server = await redis()
    const store = storeOn(server.port, 10_000)
    await tour(store)
    await adminOf(server).call('script', 'flush')
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
    const store = storeOf(plainForms[kind], port)
    await until(async () => {
      const error = await store.ping().catch(error => error)
      return error.message.includes(refusal)
    })
    await expectUnavailable(store)
  })

  it('fails in time when a server accepts connections and never responds', async () => {
    await expectUnavailable(storeOn(await peer(() => {})))
  })

  it('fails in time when a server responds one byte at a time', async () => {
    const port = await peer(socket => socket.on('data', () => socket.write('$')))
    await expectUnavailable(storeOf(plainForms[kind], port))
  })

  function storeOn(port: number, commandTimeoutMs?: number): LoginStore {
    return storeOf(singleClients[kind], port, commandTimeoutMs)
  }
})

/** A client that connects in the background, as one does whose server may be down. */
function connecting(make: ClientMaker<Address> | undefined, port: number): TestClient {
  if (make === undefined) throw new Error('There is no such client')
  const made = make({ port })
  closing.push(() => made.close())
  made.connect().catch(() => {})
  return made
}

function storeOf(make: ClientMaker<Address> | undefined, port: number, commandTimeoutMs = limitMs): LoginStore {
  const store = redisLoginStore(connecting(make, port).client, { keys, commandTimeoutMs })
  closing.push(store.close)
  return store
}

function adminOf({ port }: RedisServer): Redis {
  const admin = new Redis(port)
  admin.on('error', () => {})
  closing.push(() => admin.disconnect())
  return admin
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
