import { type LoginEnding, type LoginEndReason, loginEndReasons } from '../stores/login-store.ts'
import type { RedisCommands } from './redis-commands.ts'
import type { RedisNames } from './redis-names.ts'
import { addToDueIndex, claimDue, reschedule } from './redis-scripts.ts'

export interface DueLogin {
  readonly key: string
  /** Absolute end of the login. */
  readonly endsAt: number
}

export type DueEnding = Pick<LoginEnding, 'key' | 'id' | 'reason'>

/**
 * What to do with a due entry: remove it, because the login is gone; look again after so many milliseconds; or leave it
 * to the next claim.
 */
export type DueOutcome = 'remove' | 'leave' | number

/** Indexes logins by the time at which they may have ended, and endings by the time at which their lease runs out. */
export interface RedisDueIndex {
  /**
   * @param dueInMs When to look at the login. It may turn out to be active still; reads do not update the index.
   * @param lifetimeMs How long the entry is needed at least.
   */
  add(entry: DueLogin | DueEnding, dueInMs: number, lifetimeMs: number): Promise<unknown>
  remove(entry: DueLogin | DueEnding): Promise<unknown>
  postpone(endings: readonly DueEnding[], dueInMs: number): Promise<unknown>
  /** Claims the entries that are due, so that one process handles each, and handles them. */
  handleDue(leaseMs: number, handle: (entry: DueLogin | DueEnding) => Promise<DueOutcome>): Promise<void>
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

  async function handleShard(
    name: string,
    leaseMs: number,
    handle: (entry: DueLogin | DueEnding) => Promise<DueOutcome>,
  ): Promise<void> {
    for (let batch = 0; batch < maxBatches; batch++) {
      const claimed = await run(claimDue, [name], leaseMs, batchSize)
      if (!Array.isArray(claimed) || claimed.length === 0) return
      const removed: string[] = []
      const rescheduled: (string | number)[] = []
      const handled = await Promise.allSettled(
        claimed.map(String).map(async text => {
          const entry = parse(text)
          const outcome = entry === undefined ? 'leave' : await handle(entry)
          if (outcome === 'remove') removed.push(text)
          else if (outcome !== 'leave') rescheduled.push(text, Math.max(0, Math.ceil(outcome)))
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
    add: (entry, dueInMs, lifetimeMs) =>
      run(addToDueIndex, [names.due(newest, shardOf(entry))], textOf(entry), dueInMs, lifetimeMs + graceMs),
    remove: entry => Promise.all(keyIds.map(keyId => send('zrem', names.due(keyId, shardOf(entry)), textOf(entry)))),
    async postpone(endings, dueInMs) {
      const pairs = new Map<number, (string | number)[]>()
      for (const ending of endings)
        pairs.set(shardOf(ending), [...(pairs.get(shardOf(ending)) ?? []), textOf(ending), dueInMs])
      // An ending that another process took over may have been indexed under another key.
      const indexes = keyIds.flatMap(keyId =>
        [...pairs].map(([shard, args]) => ({ name: names.due(keyId, shard), args })),
      )
      await Promise.all(indexes.map(({ name, args }) => run(reschedule, [name], ...args)))
    },
    async handleDue(leaseMs, handle) {
      for (const keyId of keyIds)
        for (let shard = 0; shard < shards; shard++) await handleShard(names.due(keyId, shard), leaseMs, handle)
    },
  }
}

function textOf(entry: DueLogin | DueEnding): string {
  return 'endsAt' in entry ? `${entry.endsAt} ${entry.key}` : `${entry.reason}.${entry.id} ${entry.key}`
}

/** @returns `undefined` for an entry that a newer release wrote. */
function parse(text: string): DueLogin | DueEnding | undefined {
  const [, first = '', key = ''] = /^(\S+) (.*)$/s.exec(text) ?? []
  const [, reasonText = '', id = ''] = /^([a-z_]+)\.(.+)$/.exec(first) ?? []
  if (id === '') return Number.isFinite(Number(first)) ? { key, endsAt: Number(first) } : undefined
  const reason = loginEndReasons.find((known: LoginEndReason) => known === reasonText)
  return reason && { key, id, reason }
}

function shardOf({ key }: { readonly key: string }): number {
  return key.charCodeAt(key.length - 1) % shards
}

/** Spreads the index over the nodes of a Cluster. */
const shards = 4
const batchSize = 100
/** Bounds one call: 1000 entries per shard. */
const maxBatches = 10
