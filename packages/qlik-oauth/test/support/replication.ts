import { Redis } from 'ioredis'
import { until } from 'test-support/until'

/** Waits until the replica of a master has received what was written so far. */
export async function replicated(master: { readonly url: string }): Promise<void> {
  const redis = new Redis(master.url)
  await until(async () => {
    const info = await redis.info('replication')
    const [, written = ''] = /master_repl_offset:(\d+)/.exec(info) ?? []
    const [, received = ''] = /slave0:.*offset=(\d+)/.exec(info) ?? []
    return written !== '' && Number(received) >= Number(written)
  })
  redis.disconnect()
}
