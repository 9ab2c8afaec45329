import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-6'
import * as nodeRedis5 from 'redis-5'
import * as nodeRedis6 from 'redis-6'
import type { RedisCluster } from 'test-support/redis-cluster'
import type { RedisSentinel } from 'test-support/redis-sentinel'
import type { RedisClient } from '../../src/index.ts'

/** A client of one library, as an application makes it. */
export interface TestClient {
  readonly client: RedisClient
  /** Resolves when the client was connected for the first time; rejects when it gives up before that. */
  connect(): Promise<unknown>
  close(): unknown
}

export type ClientMaker<Server> = (server: Server) => TestClient

/** Where a single server is. */
export interface Address {
  readonly port: number
}

/** Every client with which the store is tested on a single server. The README lists them. */
export const singleClients: Readonly<Record<string, ClientMaker<Address>>> = {
  'ioredis 5': ({ port }) => ofIoredis(new Redis(port)),
  'ioredis 6': ({ port }) => ofIoredis(new Redis6(port)),
  'node-redis 5': ({ port }) => ofNodeRedis(nodeRedis5.createClient({ url: urlOf(port) })),
  'node-redis 6': ({ port }) => ofNodeRedis(nodeRedis6.createClient({ url: urlOf(port) })),
}

/** The same as an application may configure them, for a server that may be away. */
export const outageForms: Readonly<Record<string, Readonly<Record<string, ClientMaker<Address>>>>> = {
  'ioredis 5': {
    'with default options': ({ port }) => ofIoredis(new Redis(port)),
    'without an offline queue': ({ port }) => ofIoredis(new Redis(port, { enableOfflineQueue: false })),
    'that connects at its first command': ({ port }) => ofIoredis(new Redis(port, { lazyConnect: true })),
    'whose commands wait without limit': ({ port }) => ofIoredis(new Redis(port, { maxRetriesPerRequest: null })),
  },
  'ioredis 6': {
    'with default options': ({ port }) => ofIoredis(new Redis6(port)),
    'that connects at its first command': ({ port }) => ofIoredis(new Redis6(port, { lazyConnect: true })),
    'whose commands wait without limit': ({ port }) => ofIoredis(new Redis6(port, { maxRetriesPerRequest: null })),
  },
  'node-redis 5': {
    'with default options': ({ port }) => ofNodeRedis(nodeRedis5.createClient({ url: urlOf(port) })),
    'without an offline queue': ({ port }) =>
      ofNodeRedis(nodeRedis5.createClient({ url: urlOf(port), disableOfflineQueue: true })),
    'that the application does not connect': ({ port }) =>
      unconnected(ofNodeRedis(nodeRedis5.createClient({ url: urlOf(port) }))),
    'that is a pool': ({ port }) =>
      ofNodeRedis(nodeRedis5.createClientPool({ url: urlOf(port) }, { minimum: 3, maximum: 3 })),
  },
  'node-redis 6': {
    'with default options': ({ port }) => ofNodeRedis(nodeRedis6.createClient({ url: urlOf(port) })),
    'that the application does not connect': ({ port }) =>
      unconnected(ofNodeRedis(nodeRedis6.createClient({ url: urlOf(port) }))),
    'that gives up at the first failure': ({ port }) =>
      ofNodeRedis(nodeRedis6.createClient({ url: urlOf(port), socket: { reconnectStrategy: false } })),
    'that is a pool': ({ port }) =>
      ofNodeRedis(nodeRedis6.createClientPool({ url: urlOf(port) }, { minimum: 3, maximum: 3 })),
  },
}

/** The same for a server that responds to nothing but the commands of the store. */
export const plainForms: Readonly<Record<string, ClientMaker<Address>>> = {
  'ioredis 5': ({ port }) => ofIoredis(new Redis(port, { enableReadyCheck: false })),
  'ioredis 6': ({ port }) => ofIoredis(new Redis6(port, { enableReadyCheck: false, protocol: 2 })),
  'node-redis 5': ({ port }) => ofNodeRedis(nodeRedis5.createClient({ url: urlOf(port), disableClientInfo: true })),
  'node-redis 6': ({ port }) =>
    ofNodeRedis(nodeRedis6.createClient({ url: urlOf(port), RESP: 2, disableClientInfo: true })),
}

/** The same with options that change keys and replies. */
export const clientForms: Readonly<Record<string, ClientMaker<Address>>> = {
  'ioredis 5 with keyPrefix': ({ port }) => ofIoredis(new Redis(port, { keyPrefix: 'app:' })),
  'node-redis 5 with RESP3, Buffers and numbers as text': ({ port }) =>
    ofNodeRedis(
      nodeRedis5.createClient({
        url: urlOf(port),
        RESP: 3,
        commandOptions: {
          typeMapping: { [nodeRedis5.RESP_TYPES.BLOB_STRING]: Buffer, [nodeRedis5.RESP_TYPES.NUMBER]: String },
        },
      }),
    ),
  'node-redis 6 with RESP2, Buffers, a keyPrefix and no offline queue': ({ port }) =>
    ofNodeRedis(
      nodeRedis6.createClient({
        url: urlOf(port),
        RESP: 2,
        keyPrefix: 'app:',
        disableOfflineQueue: true,
        commandOptions: { typeMapping: { [nodeRedis6.RESP_TYPES.BLOB_STRING]: Buffer } },
      }),
    ),
  'ioredis 6 with its own shapes of RESP3 replies': ({ port }) =>
    ofIoredis(new Redis6(port, { replyMapping: 'resp3' })),
  'a pool of node-redis 5': ({ port }) =>
    ofNodeRedis(nodeRedis5.createClientPool({ url: urlOf(port) }, { minimum: 3, maximum: 3 })),
  'a pool of node-redis 6': ({ port }) =>
    ofNodeRedis(nodeRedis6.createClientPool({ url: urlOf(port) }, { minimum: 3, maximum: 3 })),
}

/** Every client with which the store is tested behind Sentinel. The README lists them. */
export const sentinelClients: Readonly<Record<string, ClientMaker<RedisSentinel>>> = {
  'ioredis 5': ({ sentinel }) => ofIoredis(new Redis({ sentinels: [sentinel], name: 'master' })),
  'ioredis 6': ({ sentinel }) => ofIoredis(new Redis6({ sentinels: [sentinel], name: 'master' })),
  'node-redis 5': ({ sentinel }) =>
    ofNodeRedis(nodeRedis5.createSentinel({ name: 'master', sentinelRootNodes: [sentinel] })),
  'node-redis 6': ({ sentinel }) =>
    ofNodeRedis(nodeRedis6.createSentinel({ name: 'master', sentinelRootNodes: [sentinel] })),
}

/** Every client with which the store is tested on a Cluster. The README lists them. */
export const clusterClients: Readonly<Record<string, ClientMaker<RedisCluster>>> = {
  'ioredis 5': ({ masters }) => ofIoredis(new Cluster([...masters])),
  'ioredis 6': ({ masters }) => ofIoredis(new Cluster6([...masters])),
  'node-redis 5': ({ masters }) =>
    ofNodeRedis(nodeRedis5.createCluster({ rootNodes: masters.map(({ url }) => ({ url })) })),
  'node-redis 6': ({ masters }) =>
    ofNodeRedis(nodeRedis6.createCluster({ rootNodes: masters.map(({ url }) => ({ url })) })),
}

export function ofIoredis(client: Redis | Cluster | Redis6 | Cluster6): TestClient {
  // The overloads of `on` in the two versions are not callable as a union.
  const emitter: { on(event: 'error', listener: () => void): unknown } = client
  emitter.on('error', () => {})
  return { client, connect: async () => {}, close: () => client.disconnect() }
}

export function ofNodeRedis(
  client: RedisClient & {
    readonly isOpen: boolean
    on(event: 'error', listener: () => void): unknown
    connect(): Promise<unknown>
    destroy(): unknown
  },
): TestClient {
  client.on('error', () => {})
  return { client, connect: () => client.connect(), close: () => client.isOpen && client.destroy() }
}

function unconnected(made: TestClient): TestClient {
  return { ...made, connect: async () => {} }
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`
}
