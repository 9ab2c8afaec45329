import { Cluster, Redis } from 'ioredis'

/**
 * Connects to one server, to a Cluster (a comma list), or to a master by its Sentinel
 * (`redis+sentinel://host:port/master`).
 */
export function connectRedis(url: string): Redis {
  const redis = connected(url)
  redis.on('error', () => {})
  return redis
}

function connected(url: string): Redis {
  // A replaced master refuses writes: reconnecting looks up the current one.
  const reconnectOnError = (error: Error) => error.message.startsWith('READONLY')
  // The methods in use are the same for a Cluster and a single server.
  if (url.includes(',')) return new Cluster(url.split(','), { redisOptions: { reconnectOnError } }) as unknown as Redis

  const { protocol, hostname, port, pathname } = new URL(url)
  if (protocol !== 'redis+sentinel:') return new Redis(url, { reconnectOnError })
  return new Redis({ sentinels: [{ host: hostname, port: Number(port) }], name: pathname.slice(1), reconnectOnError })
}
