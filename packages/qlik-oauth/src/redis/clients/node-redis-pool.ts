import {
  duplicateOf,
  keyPrefixOf,
  type NodeRedisClient,
  nodeRedisServer,
  plainReplies,
  statusOf,
} from './node-redis.ts'
import type { RedisConnection } from './redis-connection.ts'

/** The part that is used of the pool that `createClientPool` of node-redis 5 or 6 makes. */
export interface NodeRedisPool {
  readonly isOpen: boolean
  readonly totalClients: number
  connect(): Promise<unknown>
  /** Runs the task with a connection that no other task uses meanwhile. */
  execute<T>(task: (client: NodeRedisClient) => T): Promise<unknown>
}

/**
 * A pool does not tell which of its connections are ready. A command that would wait in the queue of one that is not
 * leaves it at the time limit.
 */
export function nodeRedisPoolConnection(pool: NodeRedisPool, timeoutMs: number): RedisConnection {
  const options = { ...plainReplies, timeout: timeoutMs }
  const server = nodeRedisServer({
    isReady: () => pool.isOpen,
    send: sendInTime,
    duplicate: async () => {
      let duplicate: ReturnType<typeof duplicateOf> | undefined
      await pool.execute(client => {
        duplicate = duplicateOf(client)
      })
      if (duplicate === undefined) throw new Error('The pool has no connection')
      return duplicate
    },
  })

  function sendInTime(args: string[]): Promise<unknown> {
    const deadline = performance.now() + timeoutMs
    return pool.execute(async client => {
      if (performance.now() > deadline) throw new Error('no connection of the pool was free in time')
      return client.sendCommand(args, options)
    })
  }

  return {
    keyPrefix: keyPrefixOf(pool),
    status: statusOf(pool, () => pool.isOpen),
    send: (_key, args) => sendInTime([...args]),
    servers: () => [server],
  }
}
