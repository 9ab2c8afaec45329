import type { RedisConnection, RedisServer, RedisSubscriptionListener } from './redis-connection.ts'

/** The part of an ioredis client that is used: `Redis` (single node, Sentinel) or `Cluster`, version 5 or 6. */
export interface IoredisClient extends IoredisNode {
  connect(): Promise<unknown>
  /** Present on a Cluster. */
  nodes?(role: 'master'): IoredisNode[]
}

/** One server: a client, or a node of a Cluster. */
export interface IoredisNode {
  readonly status: string
  /** The connection, where commands of the same moment can be sent in one packet; a Cluster has none of its own. */
  readonly stream?: { cork(): void; uncork(): void } | null
  call(command: string, ...args: string[]): Promise<unknown>
  duplicate(options?: object): IoredisSubscriber
}

/** The part that is used of the connection for announcements. */
export interface IoredisSubscriber {
  connect(): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'close' | 'error', listener: () => void): unknown
  disconnect(): void
}

export function ioredisConnection(redis: IoredisClient): RedisConnection {
  const servers = new WeakMap<IoredisNode, RedisServer>()
  let corked = false

  /** Sends the commands of one turn of the event loop in one packet, with one system call. */
  function cork(): void {
    const { stream } = redis
    if (corked || stream === undefined || stream === null) return
    corked = true
    stream.cork()
    setImmediate(() => {
      corked = false
      stream.uncork()
    })
  }

  function serverOf(node: IoredisNode): RedisServer {
    const server = servers.get(node) ?? ioredisServer(node)
    servers.set(node, server)
    return server
  }

  return {
    // ioredis itself adds its keyPrefix to the keys of every command.
    keyPrefix: '',
    status() {
      const { status } = redis
      if (status === 'ready') return 'ready'
      if (status === 'end') return 'closed'
      // A client with `lazyConnect` connects at its first command.
      if (status === 'wait') redis.connect().catch(() => {})
      return 'connecting'
    },
    send(_key, args) {
      cork()
      return redis.call(...args)
    },
    servers: () => (redis.nodes === undefined ? [redis] : redis.nodes('master')).map(serverOf),
  }
}

function ioredisServer(node: IoredisNode): RedisServer {
  return {
    get isReady() {
      return node.status === 'ready' || node.status === 'wait'
    },
    publish: (channel, message) => node.call('publish', channel, message),
    subscribe(channels, { onMessage, onClose }: RedisSubscriptionListener) {
      const connection = node.duplicate({ lazyConnect: true, retryStrategy: null })
      connection.on('error', () => {})
      connection.on('close', onClose)
      connection.on('message', onMessage)
      return {
        subscribed: connection.connect().then(() => connection.subscribe(...channels)),
        close: () => connection.disconnect(),
      }
    },
  }
}
