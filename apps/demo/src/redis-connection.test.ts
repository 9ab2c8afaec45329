import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Cluster, Redis } from 'ioredis'
import { startCluster } from 'test-support/redis-cluster'
import { startSentinel } from 'test-support/redis-sentinel'
import { launch, startRedis } from 'test-support/redis-server'
import { promptly, until } from 'test-support/until'
import { connectRedis } from './redis-connection.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe('a connection to Redis', () => {
  it('reaches one server, with its password and database', async () => {
    const server = await launch(['requirepass p@ss'])
    closing.push(server.stop)
    const redis = open(`redis://:p%40ss@127.0.0.1:${server.port}/2`)
    await redis.set('key', 'value', 'EX', 60)
    expect(await redis.client('INFO')).toContain(' db=2 ')
  })

  it('reaches the master that Sentinel names, and its successor after a failover', async () => {
    const servers = await startSentinel()
    closing.push(servers.stop)
    const redis = open(servers.url)
    await untilConnected(redis)
    await redis.set('key', 'value', 'EX', 60)
    await until(async () => (await redis.call('wait', 1, 100).catch(() => 0)) === 1)
    await servers.master.kill()
    await until(() => succeeds(redis.set('key', 'newer', 'EX', 60)))
    expect(await redis.get('key')).toBe('newer')
  })

  it('reconnects when the failover is announced while it looks up the master', async () => {
    const servers = await startSentinel()
    closing.push(servers.stop)
    const relay = await startSentinelRelay(servers.sentinel.port)
    const redis = open(`redis+sentinel://127.0.0.1:${relay.port}/master`)
    await untilConnected(redis)
    await relay.subscribed
    const failedOver = relay.holdRepliesUntilFailover()
    await servers.master.kill()
    await failedOver
    await until(() => succeeds(redis.set('key', 'value', 'EX', 60)))
  })

  it('reaches every node of a Cluster, and fails commands quickly when all are down', async () => {
    const servers = await startCluster()
    closing.push(servers.stop)
    const redis = open(servers.url)
    await untilConnected(redis)
    await Promise.all(Array.from({ length: 20 }, (_, at) => redis.set(`key-${at}`, at, 'EX', 60)))
    for (const master of servers.masters) await master.kill()
    await servers.replica.kill()
    await expectQuickFailure(redis)
    await expectQuickFailure(open(servers.url))
  })

  it('fails commands quickly while the server hangs or is down, and recovers by itself', async () => {
    const server = await startRedis()
    closing.push(server.stop)
    const redis = open(server.url)
    await redis.ping()
    server.pause()
    await expectQuickFailure(redis)
    server.resume()
    await untilConnected(redis)
    await server.kill()
    await expectQuickFailure(redis)
    await server.restart()
    await untilConnected(redis)
  })

  it('replaces a dead connection', async () => {
    const server = await startRedis()
    closing.push(server.stop)
    const relay = await startRelay(server.port)
    const redis = open(`redis://127.0.0.1:${relay.port}`)
    await redis.ping()
    relay.blackhole()
    await expectQuickFailure(redis)
    await untilConnected(redis)
  })

  it('reconnects when the server has become a replica', async () => {
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
  // A Cluster has the same commands.
  return redis as Redis
}

const untilConnected = (redis: Redis) => until(() => succeeds(redis.ping()))

function succeeds(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => true,
    () => false,
  )
}

async function expectQuickFailure(redis: Redis): Promise<void> {
  await promptly(expect(redis.get('key')).rejects.toThrow())
}

/** A TCP relay whose open connections can go dead without being closed; new ones work. */
async function startRelay(port: number): Promise<{ port: number; blackhole: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    const upstream = connect(port, '127.0.0.1')
    for (const each of [socket, upstream]) sockets.add(each.on('error', () => {}))
    socket.pipe(upstream).pipe(socket)
  }).listen(0, '127.0.0.1')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    blackhole() {
      for (const socket of sockets) socket.unpipe().resume()
    },
  }
}

/** A relay to a Sentinel that can withhold its replies until it has announced a failover. */
async function startSentinelRelay(port: number) {
  const signals = new EventEmitter()
  const subscribed = once(signals, 'subscribed')
  const failedOver = once(signals, 'failedOver')
  const sockets = new Set<Socket>()
  let holds = false
  const server = createServer(socket => {
    const upstream = connect(port, '127.0.0.1')
    for (const each of [socket, upstream]) sockets.add(each.on('error', () => {}))
    socket.pipe(upstream)
    upstream.on('data', async data => {
      const text = data.toString()
      if (text.includes('subscribe')) signals.emit('subscribed')
      // The client reads the announcement and ends its subscription; only then does it get the other replies.
      if (text.includes('message')) socket.once('close', () => signals.emit('failedOver'))
      else if (holds) await failedOver
      if (socket.writable) socket.write(data)
    })
  }).listen(0, '127.0.0.1')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    subscribed,
    holdRepliesUntilFailover() {
      holds = true
      return failedOver
    },
  }
}
