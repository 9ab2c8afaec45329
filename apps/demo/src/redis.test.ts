import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Cluster, Redis } from 'ioredis'
import { startCluster } from 'test-support/redis-cluster'
import { startSentinel } from 'test-support/redis-sentinel'
import { launch, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { connectRedis } from './redis.ts'
import { isRedisUrl, redisAddress } from './redis-url.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe('an address of Redis', () => {
  const one = { tls: false, username: undefined, password: undefined, db: 0 }

  it.each([
    ['redis://localhost', { ...one, nodes: [{ host: 'localhost', port: 6379 }] }],
    ['redis://[::1]:7000/3', { ...one, nodes: [{ host: '::1', port: 7000 }], db: 3 }],
    [
      'rediss://us%65r:p%40ss@cache.example:6380',
      { ...one, nodes: [{ host: 'cache.example', port: 6380 }], tls: true, username: 'user', password: 'p@ss' },
    ],
    [
      'redis://a:1,redis://b:2',
      {
        ...one,
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    [
      'redis://:secret@a:1,b:2',
      {
        ...one,
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        password: 'secret',
      },
    ],
    [
      'redis+sentinel://a:26379,b/main',
      {
        ...one,
        nodes: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 26_379 },
        ],
        master: 'main',
      },
    ],
    [
      'redis+sentinel://:secret@a/main/2',
      { ...one, nodes: [{ host: 'a', port: 26_379 }], master: 'main', db: 2, password: 'secret' },
    ],
  ])('is read: %s', (text, address) => expect(redisAddress(text)).toEqual(address))

  it.each([
    '',
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://a:99999',
    'redis://a/x',
    'redis://a,',
    'redis://a,rediss://b',
    'redis://a,b/1',
    'redis://%zz@a',
    'redis+sentinel://a:1',
    'redis+sentinel://a:1/main/x',
  ])('is not: %j', text => expect(isRedisUrl(text)).toBe(false))
})

describe('a connection to Redis', () => {
  it('reaches one server, with its password and database', async () => {
    const server = await launch(['requirepass p@ss'])
    closing.push(server.stop)
    const redis = open(`redis://:p%40ss@127.0.0.1:${server.port}/2`)
    await redis.set('key', 'value', 'EX', 60)
    expect(await redis.client('INFO')).toContain(' db=2 ')
  })

  it('reaches the master that a Sentinel names, also the next one', async () => {
    const servers = await startSentinel()
    closing.push(servers.stop)
    const redis = open(servers.url)
    await redis.set('key', 'value', 'EX', 60)
    await until(async () => (await redis.call('wait', 1, 100)) === 1)
    await servers.master.kill()
    await until(() =>
      redis.set('key', 'newer', 'EX', 60).then(
        () => true,
        () => false,
      ),
    )
    expect(await redis.get('key')).toBe('newer')
  })

  it('reaches every node of a Cluster, and keeps nobody waiting while there is none', async () => {
    const servers = await startCluster()
    closing.push(servers.stop)
    const redis = open(servers.url)
    await until(() =>
      redis.ping().then(
        () => true,
        () => false,
      ),
    )
    await Promise.all(Array.from({ length: 20 }, (_, at) => redis.set(`key-${at}`, at, 'EX', 60)))
    for (const master of servers.masters) await master.kill()
    await servers.replica.kill()
    await expectQuickFailure(redis)
    await expectQuickFailure(open(servers.url))
  })

  it('keeps nobody waiting while a server is away or hangs, and goes on by itself', async () => {
    const server = await startRedis()
    closing.push(server.stop)
    const redis = open(server.url)
    await redis.ping()
    server.pause()
    await expectQuickFailure(redis)
    server.resume()
    await until(() =>
      redis.ping().then(
        () => true,
        () => false,
      ),
    )
    await server.kill()
    await expectQuickFailure(redis)
    await server.restart()
    await until(() =>
      redis.ping().then(
        () => true,
        () => false,
      ),
    )
  })

  it('leaves a connection that has gone dead', async () => {
    const server = await startRedis()
    closing.push(server.stop)
    const way = await wayTo(server.port)
    const redis = open(`redis://127.0.0.1:${way.port}`)
    await redis.ping()
    way.swallow()
    await expectQuickFailure(redis)
    await until(() =>
      redis.ping().then(
        () => true,
        () => false,
      ),
    )
  })

  it('looks for the master again when the server has become a replica', async () => {
    const server = await startRedis()
    closing.push(server.stop)
    const redis = open(server.url)
    await redis.call('replicaof', '127.0.0.1', 1)
    const reconnected = new Promise(resolve => redis.once('reconnecting', resolve))
    await expect(redis.set('key', 'value', 'EX', 60)).rejects.toThrow('READONLY')
    await reconnected
  })
})

function open(url: string): Redis {
  const redis: Redis | Cluster = connectRedis(url)
  closing.push(() => redis.disconnect())
  // A Cluster takes the same commands.
  return redis as Redis
}

async function expectQuickFailure(redis: Redis): Promise<void> {
  const startedAt = performance.now()
  await expect(redis.get('key')).rejects.toThrow()
  expect(performance.now() - startedAt).toBeLessThan(1000)
}

/** A way to a port whose connections can go dead without being closed; new ones work. */
async function wayTo(port: number): Promise<{ port: number; swallow: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    const onward = connect(port, '127.0.0.1')
    for (const each of [socket, onward]) sockets.add(each.on('error', () => {}))
    socket.pipe(onward).pipe(socket)
  }).listen(0, '127.0.0.1')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    swallow() {
      for (const socket of sockets) socket.unpipe().resume()
    },
  }
}
