import { hasMethods } from '../../protocol/option-checks.ts'
import { keySlot } from './key-slot.ts'
import {
  duplicateOf,
  keyPrefixOf,
  type NodeRedisClient,
  nodeRedisServer,
  plainReplies,
  statusOf,
} from './node-redis.ts'
import type { RedisConnection, RedisServer } from './redis-connection.ts'

/** The part that is used of the client that `createCluster` of node-redis 5 or 6 makes. */
export interface NodeRedisCluster {
  readonly isOpen: boolean
  readonly masters: readonly NodeRedisClusterNode[]
  /** By number; without a master until the client has read it from the Cluster. */
  readonly slots: readonly { readonly master: NodeRedisClusterNode }[]
  connect(): Promise<unknown>
  sendCommand(key: string | undefined, isReadonly: boolean, args: string[], options?: object): Promise<unknown>
}

export interface NodeRedisClusterNode {
  /** Missing until the node is used, with `minimizeConnections`. */
  readonly client?: NodeRedisClient | undefined
}

export function nodeRedisClusterConnection(cluster: NodeRedisCluster): RedisConnection {
  const servers = new WeakMap<NodeRedisClusterNode, RedisServer>()
  const clusterStatus = statusOf(cluster, () => cluster.isOpen && cluster.masters.length > 0)
  let nextRefresh = 0

  function serverOf(node: NodeRedisClusterNode): RedisServer {
    const server =
      servers.get(node) ??
      nodeRedisServer({
        isReady: () => isUsable(node),
        send: async args => clientOf(node).sendCommand(args, plainReplies),
        duplicate: async () => duplicateOf(clientOf(node)),
      })
    servers.set(node, server)
    return server
  }

  /**
   * node-redis 5 reads the slots anew only when a node redirects it. After the loss of a master none does: commands wait
   * for the lost node. Both versions have the method that does it, without documenting it.
   */
  function refresh(): void {
    if (performance.now() < nextRefresh) return
    nextRefresh = performance.now() + refreshEveryMs
    const slots: unknown = Reflect.get(cluster, '_slots')
    const alive = cluster.masters.find(isUsable)?.client
    if (alive === undefined || !hasMethods(slots, ['rediscover'])) return
    const { rediscover } = slots
    if (typeof rediscover === 'function') Promise.resolve(rediscover.call(slots, alive)).catch(() => {})
  }

  return {
    keyPrefix: keyPrefixOf(cluster),
    status(key) {
      const status = clusterStatus()
      if (status !== 'ready' || key === undefined) return status
      const node = cluster.slots[keySlot(key)]?.master
      if (node !== undefined && (node.client === undefined || node.client.isReady)) return 'ready'
      refresh()
      return 'connecting'
    },
    send(key, args) {
      // Without a key, node-redis 6 sends some commands to all nodes.
      if (key === undefined) return clientOf(cluster.masters.find(isUsable)).sendCommand([...args], plainReplies)
      return cluster.sendCommand(key, false, [...args], plainReplies)
    },
    servers() {
      if (!cluster.isOpen) return []
      if (!cluster.masters.every(isUsable)) refresh()
      return cluster.masters.map(serverOf)
    },
  }
}

function isUsable(node: NodeRedisClusterNode): boolean {
  return node.client?.isReady === true
}

function clientOf(node: NodeRedisClusterNode | undefined): NodeRedisClient {
  if (node?.client === undefined) throw new Error('There is no connection to the node')
  return node.client
}

const refreshEveryMs = 500
