/** What the store needs of a Redis client, whatever its kind. */
export interface RedisConnection {
  /** What the client puts in front of the keys of its own commands, but not of those that the store sends. */
  readonly keyPrefix: string
  /**
   * Whether a command can be sent to the server that has the key. A client that was never connected begins to connect.
   *
   * @param key Of a command without a key, `undefined`.
   */
  status(key: string | undefined): RedisStatus
  /** @param key Decides which node of a Cluster receives the command. Keys among `args` are in the same slot. */
  send(key: string | undefined, args: readonly [command: string, ...args: string[]]): Promise<unknown>
  /** The servers over which announcements are received: each master of a Cluster, otherwise one. */
  servers(): readonly RedisServer[]
}

/** `closed`: the client was closed, or does not reconnect any more. */
export type RedisStatus = 'ready' | 'connecting' | 'closed'

/** One server. The object stays the same as long as the client uses the server. */
export interface RedisServer {
  readonly isReady: boolean
  publish(channel: string, message: string): Promise<unknown>
  /** Opens a connection of its own. It does not reconnect, so no message is missed unnoticed. */
  subscribe(channels: readonly string[], listener: RedisSubscriptionListener): RedisSubscriber
}

export interface RedisSubscriptionListener {
  onMessage(channel: string, message: string): void
  onClose(): void
}

export interface RedisSubscriber {
  /** Rejects when the connection or the subscription fails. */
  readonly subscribed: Promise<unknown>
  close(): void
}
