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
  // A master that was replaced refuses writes: connect anew, which asks for the present one.
  const reconnectOnError = (error: Error) => error.message.startsWith('READONLY')
  // What is used of a Cluster is the same as of a single server.
  if (url.includes(',')) return new Cluster(url.split(','), { redisOptions: { reconnectOnError } }) as unknown as Redis

  const { protocol, hostname, port, pathname } = new URL(url)
  if (protocol !== 'redis+sentinel:') return new Redis(url, { reconnectOnError })
  return new Redis({ sentinels: [{ host: hostname, port: Number(port) }], name: pathname.slice(1), reconnectOnError })
}
