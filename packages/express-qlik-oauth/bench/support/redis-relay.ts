import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { commandReader, type RedisCommand } from './redis-command.ts'

/** The commands an application sent to Redis. */
export interface SentCommands {
  readonly commands: readonly RedisCommand[]
  /** Commands that were in flight together are one round trip. */
  readonly roundTrips: readonly (readonly RedisCommand[])[]
}

/** Counts commands between an application and Redis. */
export interface RedisRelay {
  readonly port: number
  /**
   * The commands during `operation`, and until the connection is quiet. Heartbeats are left out.
   */
  during(operation: () => Promise<unknown>): Promise<SentCommands>
  close(): void
}

/**
 * Delays each reply. Commands that the application sends without waiting for one another all arrive before the first
 * reply leaves; a command that arrives after a reply waited for it, and begins the next round trip.
 */
export async function redisRelay(redisPort: number): Promise<RedisRelay> {
  let roundTrips: RedisCommand[][] = []
  let awaitsReply = false
  let lastSentAt = 0
  const sockets = new Set<Socket>()

  function record(commands: readonly RedisCommand[]): void {
    if (commands.length === 0) return
    lastSentAt = performance.now()
    if (!awaitsReply) roundTrips.push([])
    awaitsReply = true
    roundTrips.at(-1)?.push(...commands)
  }

  const server: Server = createServer(application => {
    const redis = connect(redisPort, '127.0.0.1')
    const read = commandReader()
    let subscribed = false
    for (const socket of [application, redis]) {
      sockets.add(socket.setNoDelay())
      socket.on('error', () => {}).on('close', () => [application, redis].map(one => one.destroy()))
    }
    application.on('data', chunk => {
      const commands = read(chunk)
      subscribed ||= commands.some(({ name }) => name === 'SUBSCRIBE')
      record(commands.filter(({ about }) => about !== 'heartbeat'))
      redis.write(chunk)
    })
    redis.on('data', chunk => {
      // Published messages are no replies.
      if (subscribed) application.write(chunk)
      else
        setTimeout(() => {
          awaitsReply = false
          application.write(chunk)
        }, holdMs)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function quiet(): Promise<void> {
    const from = performance.now()
    while (performance.now() - Math.max(from, lastSentAt) < quietMs)
      await new Promise(resolve => setTimeout(resolve, 5))
  }

  return {
    port: (server.address() as AddressInfo).port,
    async during(operation) {
      await quiet()
      roundTrips = []
      awaitsReply = false
      await operation()
      await quiet()
      return { commands: roundTrips.flat(), roundTrips: [...roundTrips] }
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const holdMs = 3
const quietMs = 30
