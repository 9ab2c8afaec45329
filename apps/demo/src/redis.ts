import { Cluster, Redis } from 'ioredis'
import { redisAddress } from './redis-url.ts'

/**
 * Connects to what REDIS_URL names: one server, a Cluster, or the master that Sentinels name.
 *
 * The client never gives up connecting and never keeps a caller waiting: a command is answered within 0.8 seconds or
 * fails. A connection on which answers are due and nothing comes is closed after two seconds and made anew, so that a
 * machine that vanished is not waited for.
 *
 * @param onError Hears of lost connections and failed attempts to connect; commands fail for themselves besides.
 */
export function connectRedis(url: string, onError: (error: Error) => void = () => {}): Redis | Cluster {
  const address = redisAddress(url)
  if (address === undefined) throw new TypeError('connectRedis wants an address that redisAddress can read')
  const { nodes, master, tls, username, password, db } = address
  const options = {
    ...perConnection,
    ...(username && { username }),
    ...(password && { password }),
    ...(tls && { tls: {} }),
  }

  function open(): Redis | Cluster {
    if (master !== undefined) {
      return new Redis({
        ...options,
        ...reconnecting,
        db,
        sentinels: [...nodes],
        name: master,
        failoverDetector: true,
        sentinelCommandTimeout: 1000,
      })
    }
    if (nodes.length > 1) {
      return new Cluster([...nodes], {
        redisOptions: options,
        clusterRetryStrategy: patience,
        // The Cluster's own queue knows no time limit.
        enableOfflineQueue: false,
        // Certificates carry names: leave those that the nodes announce as they are.
        ...(tls && { dnsLookup: (host: string, found: (error: null, address: string) => void) => found(null, host) }),
      })
    }
    return new Redis({ ...options, ...reconnecting, db, ...nodes[0] })
  }

  const client = open()
  client.on('error', onError)
  return client
}

const patience = (attempts: number) => Math.min(attempts * 50, 1000)

const perConnection = { connectTimeout: 2000, commandTimeout: 800, socketTimeout: 2000, keepAlive: 10_000 }

const reconnecting = {
  retryStrategy: patience,
  // Commands wait for a connection, but not through attempt after attempt.
  maxRetriesPerRequest: 1,
  // A master that became a replica keeps its connections; ask again who the master is.
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
}
