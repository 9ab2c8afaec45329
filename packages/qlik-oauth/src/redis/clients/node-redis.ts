import { isObject } from '../../protocol/json.ts'
import type { RedisConnection, RedisServer, RedisStatus, RedisSubscriber } from './redis-connection.ts'

/** The part that is used of the client that `createClient` of node-redis 5 or 6 makes, or of a node of a Cluster. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  readonly isReady: boolean
  readonly options?: { readonly socket?: object }
  connect(): Promise<unknown>
  sendCommand(args: string[], options?: object): Promise<unknown>
  duplicate(options?: object): NodeRedisSubscriber
}

/** The part that is used of the connection for announcements. */
export interface NodeRedisSubscriber {
  connect(): Promise<unknown>
  subscribe(channels: string[], listener: (message: string, channel: string) => void): Promise<unknown>
  on(event: 'connect' | 'error', listener: () => void): unknown
  destroy(): void
}

export function nodeRedisConnection(client: NodeRedisClient): RedisConnection {
  const status = statusOf(client, () => client.isReady)
  const server = nodeRedisServer({
    isReady: () => client.isReady,
    send: args => client.sendCommand(args, plainReplies),
    duplicate: async () => duplicateOf(client),
  })

  return {
    keyPrefix: keyPrefixOf(client),
    status,
    send: (_key, args) => client.sendCommand([...args], plainReplies),
    servers: () => [server],
  }
}

/**
 * Options of every command. They take the place of those of the client: replies are strings and numbers whatever its
 * `typeMapping`, and the time limit is that of the store.
 */
export const plainReplies = { typeMapping: {}, timeout: undefined }

/**
 * node-redis 6 adds its keyPrefix to the keys of its typed commands only. Both clients and all kinds keep it here; a
 * client without one has `undefined`.
 */
export function keyPrefixOf(client: object): string {
  const prefix: unknown = Reflect.get(client, '_keyPrefix')
  return typeof prefix === 'string' ? prefix : ''
}

/** Connects a client that was never connected, at most four times a second. */
export function statusOf(
  client: { readonly isOpen: boolean; connect(): Promise<unknown> },
  isReady: () => boolean,
): () => RedisStatus {
  let wasReady = isReady()
  let nextAttempt = 0

  return () => {
    if (isReady()) {
      wasReady = true
      return 'ready'
    }
    if (client.isOpen) return 'connecting'
    if (wasReady) return 'closed'
    if (performance.now() >= nextAttempt) {
      nextAttempt = performance.now() + attemptEveryMs
      client.connect().catch(() => {})
    }
    return 'connecting'
  }
}

const attemptEveryMs = 250

export interface NodeRedisServerOptions {
  readonly isReady: () => boolean
  readonly send: (args: string[]) => Promise<unknown>
  /** Makes a client, not yet connected, for the same server. */
  readonly duplicate: () => Promise<NodeRedisSubscriber>
}

export function nodeRedisServer({ isReady, send, duplicate }: NodeRedisServerOptions): RedisServer {
  return {
    get isReady() {
      return isReady()
    },
    publish: (channel, message) => send(['PUBLISH', channel, message]),
    subscribe(channels, { onMessage, onClose }): RedisSubscriber {
      let connection: NodeRedisSubscriber | undefined
      let connected = false
      let closed = false

      /** node-redis 5 cannot destroy a client before its socket is there, and throws for one that has ended. */
      function destroy(): void {
        if (!connected) return
        try {
          connection?.destroy()
        } catch {}
      }

      async function subscribe(): Promise<void> {
        connection = await duplicate()
        connection.on('error', onClose)
        connection.on('connect', () => {
          connected = true
          if (closed) destroy()
        })
        if (closed) return
        await connection.connect()
        await connection.subscribe([...channels], (message, channel) => onMessage(channel, message))
      }

      return {
        subscribed: subscribe(),
        close() {
          closed = true
          destroy()
        },
      }
    },
  }
}

/** A client for the same server, not yet connected, that does not reconnect. */
export function duplicateOf(client: NodeRedisClient): NodeRedisSubscriber {
  const socket = isObject(client.options?.socket) ? client.options.socket : {}
  return client.duplicate({ socket: { ...socket, reconnectStrategy: false } })
}
