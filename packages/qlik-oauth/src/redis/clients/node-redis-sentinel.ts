import {
  duplicateOf,
  keyPrefixOf,
  type NodeRedisClient,
  nodeRedisServer,
  plainReplies,
  statusOf,
} from './node-redis.ts'
import type { RedisConnection, RedisServer } from './redis-connection.ts'

/** The part that is used of the client that `createSentinel` of node-redis 5 or 6 makes. */
export interface NodeRedisSentinel {
  readonly isOpen: boolean
  readonly isReady: boolean
  connect(): Promise<unknown>
  sendCommand(isReadonly: boolean, args: string[], options?: object): Promise<unknown>
  /** @returns `undefined` while there is no connection to the master. */
  getMasterNode(): { readonly host: string; readonly port: number } | undefined
  /** Runs the function with the connection to the master. */
  _execute(isReadonly: boolean, execute: (client: NodeRedisClient) => Promise<unknown>): Promise<unknown>
}

export function nodeRedisSentinelConnection(sentinel: NodeRedisSentinel): RedisConnection {
  const master = () => (sentinel.isReady ? sentinel.getMasterNode() : undefined)
  // A command for a master that is unavailable makes the client ask the Sentinels in a loop without a pause.
  const isReady = () => master() !== undefined
  const send = (args: string[]) => sentinel.sendCommand(false, args, plainReplies)
  let current: { readonly address: string; readonly server: RedisServer } | undefined

  async function duplicate() {
    let made: ReturnType<typeof duplicateOf> | undefined
    await sentinel._execute(false, async client => {
      made = duplicateOf(client)
    })
    if (made === undefined) throw new Error('There is no connection to the master')
    return made
  }

  return {
    keyPrefix: keyPrefixOf(sentinel),
    status: statusOf(sentinel, isReady),
    send: (_key, args) => send([...args]),
    /** A new master is another server, so that the subscription at the former one ends. */
    servers() {
      const node = master()
      if (node === undefined) return []
      const address = `${node.host}:${node.port}`
      if (current?.address !== address) current = { address, server: nodeRedisServer({ isReady, send, duplicate }) }
      return [current.server]
    },
  }
}
