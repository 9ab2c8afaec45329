import { Redis } from 'ioredis'
import { launch, type RedisServer } from './redis-server.ts'
import { until } from './until.ts'

export interface RedisCluster {
  readonly masters: readonly RedisServer[]
  /** Takes over when the first master is gone. */
  readonly replica: RedisServer
  /** The masters, separated by commas. */
  readonly url: string
  stop(): Promise<void>
}

/** Starts a Cluster of three masters, the first of which has a replica that replaces it within about two seconds. */
export async function startCluster(): Promise<RedisCluster> {
  const settings = [
    'save ""',
    'cluster-enabled yes',
    'cluster-node-timeout 500',
    'cluster-replica-validity-factor 0',
    'repl-diskless-sync-delay 0',
  ]
  const servers = await Promise.all(Array.from({ length: 4 }, () => launch(settings)))
  const connections = servers.map(({ url }) => new Redis(url))
  const [first, , , replica] = connections as [Redis, Redis, Redis, Redis]

  for (const [at, connection] of connections.entries()) {
    await connection.cluster('SET-CONFIG-EPOCH', at + 1)
    const slots = Array.from({ length: 16_384 }, (_, slot) => slot).filter(
      slot => Math.floor((slot * 3) / 16_384) === at,
    )
    if (slots.length > 0) await connection.cluster('ADDSLOTS', ...slots)
  }
  for (const { host, port } of servers.slice(1)) await first.cluster('MEET', host, port)
  const firstId = String(await first.cluster('MYID'))
  await until(async () => String(await replica.cluster('NODES')).includes(firstId))
  await replica.cluster('REPLICATE', firstId)
  for (const connection of connections) {
    await until(async () => {
      const [info, nodes] = [String(await connection.cluster('INFO')), String(await connection.cluster('NODES'))]
      return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:4') && nodes.includes('slave')
    })
    connection.disconnect()
  }

  const masters = servers.slice(0, 3)
  return {
    masters,
    replica: servers[3] as RedisServer,
    url: masters.map(({ url }) => url).join(','),
    async stop() {
      await Promise.all(servers.map(server => server.stop()))
    },
  }
}
