import { Cluster, type CommonRedisOptions, Redis } from 'ioredis'

/**
 * Connects to what REDIS_URL names: one server, a comma list of the nodes of a Cluster, or the master that Sentinels name
 * (`redis+sentinel://h1:26379,h2:26379/master`).
 *
 * The client never gives up connecting, and never keeps a caller waiting: commands are answered within 0.8 seconds or fail. A connection
 * on which nothing comes back is closed after two seconds and made anew, which also ends the wait for a machine that is gone.
 *
 * @param onError Hears of lost connections and failed attempts; each command fails for itself besides.
 */
export function connectRedis(url: string, onError: (error: Error) => void): Redis | Cluster {
  const client = open(url)
  client.on('error', onError)
  return client
}

function open(url: string): Redis | Cluster {
  if (url.startsWith('redis+sentinel://')) return sentinel(url)
  const nodes = url.split(',')
  if (nodes.length === 1) return new Redis(url, patience)

  const [first = url] = nodes
  return new Cluster(nodes, {
    clusterRetryStrategy: soon,
    // A node that refuses or hangs is asked again soon; the others go on serving their slots.
    slotsRefreshTimeout: 1000,
    redisOptions: { ...patience, ...credentials(first), ...(first.startsWith('rediss:') ? { tls: {} } : {}) },
  })
}

function sentinel(url: string): Redis {
  // Several hosts in one authority are no URL: the first one stands for them while the rest is read.
  const [, user = '', hosts = '', rest = ''] = /^redis\+sentinel:\/\/(?:([^@/]+)@)?([^/]+)(\/.*)$/.exec(url) ?? []
  const [, name = '', db = '0'] = rest.split('/')
  const sentinels = hosts.split(',').map(host => {
    const { hostname, port } = new URL(`redis://${host}`)
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 26_379) }
  })
  return new Redis({
    ...patience,
    ...(user === '' ? {} : credentials(`redis://${user}@host`)),
    sentinels,
    name: decodeURIComponent(name),
    db: Number(db),
    sentinelRetryStrategy: soon,
  })
}

function credentials(url: string): CommonRedisOptions {
  const { username, password } = new URL(url)
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  }
}

function soon(attempt: number): number {
  return Math.min(attempt * 50, 500)
}

const patience = {
  connectTimeout: 2000,
  commandTimeout: 800,
  socketTimeout: 2000,
  maxRetriesPerRequest: 1,
  retryStrategy: soon,
  // A master that was made a replica says so: the new one is looked for.
  reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 2 : false),
} satisfies CommonRedisOptions
