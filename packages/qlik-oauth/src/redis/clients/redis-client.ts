import { configurationError, hasMethods, quoted } from '../../protocol/option-checks.ts'
import { type IoredisClient, ioredisConnection } from './ioredis.ts'
import { type NodeRedisClient, nodeRedisConnection } from './node-redis.ts'
import { type NodeRedisCluster, nodeRedisClusterConnection } from './node-redis-cluster.ts'
import { type NodeRedisPool, nodeRedisPoolConnection } from './node-redis-pool.ts'
import { type NodeRedisSentinel, nodeRedisSentinelConnection } from './node-redis-sentinel.ts'
import type { RedisConnection } from './redis-connection.ts'

/**
 * A client of ioredis 5 or 6 (`Redis`, `Cluster`), or of node-redis 5 or 6 (`createClient`, `createClientPool`,
 * `createSentinel`, `createCluster`), described by the methods that are used.
 */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisPool | NodeRedisSentinel | NodeRedisCluster

/**
 * Recognises the kind of a client by its methods.
 *
 * @throws ERR_CONFIGURATION for anything else.
 */
export function redisConnection(client: RedisClient, timeoutMs: number): RedisConnection {
  if (isIoredis(client)) return ioredisConnection(client)
  if (isCluster(client)) return nodeRedisClusterConnection(client)
  if (isSentinel(client)) return nodeRedisSentinelConnection(client)
  if (isPool(client)) return nodeRedisPoolConnection(client, timeoutMs)
  if (isSingle(client)) return nodeRedisConnection(client)
  throw configurationError(
    `redisLoginStore needs a client of ioredis 5 or 6, such as new Redis(url), or of node-redis 5 or 6, such as createClient({ url }), got ${received(client)}.`,
  )
}

function isIoredis(client: unknown): client is IoredisClient {
  return hasMethods(client, ['call', 'duplicate'])
}

function isCluster(client: unknown): client is NodeRedisCluster {
  return hasMethods(client, ['sendCommand', 'connect', 'nodeClient']) && Array.isArray(client.masters)
}

function isSentinel(client: unknown): client is NodeRedisSentinel {
  return hasMethods(client, ['sendCommand', 'connect', 'getMasterNode', '_execute'])
}

function isPool(client: unknown): client is NodeRedisPool {
  return hasMethods(client, ['sendCommand', 'connect', 'execute']) && typeof client.totalClients === 'number'
}

/** Earlier versions of node-redis have no `destroy`. */
function isSingle(client: unknown): client is NodeRedisClient {
  return hasMethods(client, ['sendCommand', 'connect', 'duplicate', 'destroy']) && typeof client.isReady === 'boolean'
}

function received(client: unknown): string {
  if (hasMethods(client, ['sendCommand']) || hasMethods(client, ['send_command'])) {
    return 'a client of node-redis in another version or form'
  }
  // Not quoted: a client may hold a password.
  return typeof client === 'object' && client !== null ? 'an object without their methods' : quoted(client)
}
