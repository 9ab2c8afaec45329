import type { RedisCommands } from './redis-commands.ts'
import type { RedisNames } from './redis-names.ts'
import { addToDueIndex, claimDue, reschedule } from './redis-scripts.ts'

export interface DueLogin {
  readonly key: string
  /** Absolute end of the login. */
  readonly endsAt: number
}

/**
 * What to do with a due entry: remove it, because the login is gone; look again after so many milliseconds; or leave it
 * to the next claim.
 */
export type DueOutcome = 'remove' | 'leave' | number

/** Indexes logins by the time at which they may have ended. */
export interface RedisDueIndex {
  /** @param dueInMs When to look at the login. It may turn out to be active still; reads do not update the index. */
  add(login: DueLogin, dueInMs: number): Promise<unknown>
  remove(login: DueLogin): Promise<unknown>
  /** Claims the entries that are due, so that one process handles each, and handles them. */
  handleDue(handle: (login: DueLogin) => Promise<DueOutcome>): Promise<void>
}

export interface RedisDueIndexOptions {
  readonly commands: RedisCommands
  readonly names: RedisNames
  /** Each key has an index of its own: the logins of another key ring are never claimed. Newest first. */
  readonly keyIds: readonly string[]
  /** How long a login is kept beyond its absolute end. */
  readonly graceMs: number
}

export function redisDueIndex({ commands, names, keyIds, graceMs }: RedisDueIndexOptions): RedisDueIndex {
  const { send, run } = commands
  const [newest = ''] = keyIds

  async function handleShard(name: string, handle: (login: DueLogin) => Promise<DueOutcome>): Promise<void> {
    for (let batch = 0; batch < maxBatches; batch++) {
      const claimed = await run(claimDue, [name], claimMs, batchSize)
      if (!Array.isArray(claimed) || claimed.length === 0) return
      const removed: string[] = []
      const rescheduled: (string | number)[] = []
      const handled = await Promise.allSettled(
        claimed.map(String).map(async entry => {
          const outcome = await handle(parse(entry))
          if (outcome === 'remove') removed.push(entry)
          else if (outcome !== 'leave') rescheduled.push(entry, Math.max(0, Math.ceil(outcome)))
        }),
      )
      const failure = handled.find(({ status }) => status === 'rejected')
      if (failure?.status === 'rejected') throw failure.reason
      if (removed.length > 0) await send('zrem', name, ...removed)
      if (rescheduled.length > 0) await run(reschedule, [name], ...rescheduled)
      if (claimed.length < batchSize) return
    }
  }

  return {
    add(login, dueInMs) {
      const keptMs = Math.max(0, login.endsAt - Date.now()) + graceMs
      return run(addToDueIndex, [names.due(newest, shardOf(login))], entryOf(login), dueInMs, keptMs)
    },
    remove: login => Promise.all(keyIds.map(keyId => send('zrem', names.due(keyId, shardOf(login)), entryOf(login)))),
    async handleDue(handle) {
      for (const keyId of keyIds)
        for (let shard = 0; shard < shards; shard++) await handleShard(names.due(keyId, shard), handle)
    },
  }
}

function entryOf({ key, endsAt }: DueLogin): string {
  return `${endsAt} ${key}`
}

function parse(entry: string): DueLogin {
  const space = entry.indexOf(' ')
  return { key: entry.slice(space + 1), endsAt: Number(entry.slice(0, space)) }
}

function shardOf({ key }: DueLogin): number {
  return key.charCodeAt(key.length - 1) % shards
}

/** Spreads the index over the nodes of a Cluster. */
const shards = 4
/** A process that dies with its claims leaves them to the others after this time. */
const claimMs = 15_000
const batchSize = 100
/** Bounds one call: 1000 entries per shard. */
const maxBatches = 10
