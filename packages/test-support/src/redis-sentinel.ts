import { Redis } from 'ioredis'
import { launch, type RedisServer } from './redis-server.ts'
import { until } from './until.ts'

export interface RedisSentinel {
  /** The master at the start. */
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinel: RedisServer
  /** `redis+sentinel://…/master` */
  readonly url: string
  stop(): Promise<void>
}

/** Starts a master, its replica, and a Sentinel that replaces a master within about two seconds. */
export async function startSentinel(): Promise<RedisSentinel> {
  const master = await launch(['save ""', 'repl-diskless-sync-delay 0'])
  const replica = await launch(['save ""', `replicaof 127.0.0.1 ${master.port}`])
  const toReplica = new Redis(replica.url)
  await until(async () => (await toReplica.info('replication')).includes('master_link_status:up'))
  toReplica.disconnect()

  const settings = [
    `sentinel monitor master 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds master 300',
    'sentinel failover-timeout master 3000',
  ]
  const sentinel = await launch(settings, { sentinel: true })
  const toSentinel = new Redis(sentinel.url)
  await until(async () => String(await toSentinel.call('sentinel', 'replicas', 'master')).includes(`,${replica.port},`))
  toSentinel.disconnect()

  return {
    master,
    replica,
    sentinel,
    url: `redis+sentinel://127.0.0.1:${sentinel.port}/master`,
    async stop() {
      await Promise.all([sentinel.stop(), replica.stop(), master.stop()])
    },
  }
}
