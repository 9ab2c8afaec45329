import { Cluster, Redis } from 'ioredis'
import { redisAddress } from './redis-url.ts'

/**
 * Connects to REDIS_URL: one server, a Cluster, or the current master of a Sentinel group.
 *
 * The client reconnects forever. A command completes or fails within 0.8 seconds; a connection with overdue replies is
 * replaced after two seconds, so that a host that disappeared does not block it.
 *
 * @param onError Called for lost connections and failed attempts to connect. Failed commands reject as well.
 * @throws TypeError when `url` is not a Redis address.
 */
export function connectRedis(url: string, onError: (error: Error) => void = () => {}): Redis | Cluster {
  const address = redisAddress(url)
  if (address === undefined) throw new TypeError('connectRedis requires a Redis address')
  const { nodes, master, tls, username, password, db } = address
  const options = {
    ...perConnection,
    ...(username && { username }),
    ...(password && { password }),
    ...(tls && { tls: {} }),
  }

  function open(): Redis | Cluster {
    if (master !== undefined) {
      const redis = new Redis({
        ...options,
        ...reconnecting,
        db,
        sentinels: [...nodes],
        name: master,
        failoverDetector: true,
        sentinelCommandTimeout: 1000,
      })
      // ioredis 5.11 ends for good, with this error, when Sentinel announces a failover while it looks up the master.
      redis.on('error', error => {
        if (error.message === 'Connection is closed.') redis.once('end', () => void redis.connect().catch(() => {}))
      })
      return redis
    }
    if (nodes.length > 1) {
      return new Cluster([...nodes], {
        redisOptions: options,
        clusterRetryStrategy: reconnectDelayMs,
        // Commands in the Cluster's offline queue have no time limit.
        enableOfflineQueue: false,
        // Certificates are issued for host names: connect by the names the nodes announce, unresolved.
        ...(tls && {
          dnsLookup: (host: string, resolved: (error: null, address: string) => void) => resolved(null, host),
        }),
      })
    }
    return new Redis({ ...options, ...reconnecting, db, ...nodes[0] })
  }

  const client = open()
  client.on('error', onError)
  return client
}

const reconnectDelayMs = (attempts: number) => Math.min(attempts * 50, 1000)

const perConnection = { connectTimeout: 2000, commandTimeout: 800, socketTimeout: 2000, keepAlive: 10_000 }

const reconnecting = {
  retryStrategy: reconnectDelayMs,
  // A command waits for one attempt to reconnect, then fails.
  maxRetriesPerRequest: 1,
  // A demoted master keeps its connections: reconnect to find the new one.
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
}
