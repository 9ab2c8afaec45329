import { randomUUID } from 'node:crypto'
import type { ChangeSubscription, LoginChange } from './login-store.ts'
import type { RedisClient, RedisNode, RedisSubscriber } from './redis-commands.ts'

export interface RedisSubscription {
  watch(listener: (change: LoginChange) => void, lost: () => void): ChangeSubscription
  close(): void
}

/**
 * The message of a change. No two are the same, so that one that arrives on several ways can be told from a second one.
 */
export function announcement(change: LoginChange): string {
  return `${change.type} ${change.key} ${randomUUID()}`
}

/**
 * Receives announcements over a connection of its own, shared by all watchers, that exists only while somebody watches.
 *
 * A silent connection says nothing: it may be idle or cut. So a heartbeat makes the whole way that announcements make
 * (published over the client, received over the subscription), and only while it comes back does the watch count as
 * alive. A connection is never repaired behind our back: each is used until it fails, then another takes its place and
 * everybody looks everything up again.
 *
 * In a Cluster there is one connection to each master. Nodes do pass announcements on to one another, but drop them
 * without a word while their link is broken, and the Cluster client's own subscription moves between nodes in silence.
 *
 * @param onLost Called when announcements that used to arrive no longer do.
 */
export function redisSubscription(redis: RedisClient, channel: string, onLost: () => void): RedisSubscription {
  const watchers = new Set<{ listener: (change: LoginChange) => void; lost: () => void }>()
  const lines = new Map<RedisNode, Line>()
  const delivered = new Set<string>()
  let alive = false
  let timer: NodeJS.Timeout | undefined

  function open(node: RedisNode) {
    const heartbeat = `${channel}:heartbeat:${randomUUID()}`
    const connection = node.duplicate({ lazyConnect: true, retryStrategy: null })
    const line: Line = { connection, heartbeat, proven: false, provenAt: performance.now(), beating: false }
    lines.set(node, line)
    const inUse = () => lines.get(node) === line

    connection.on('error', () => {})
    connection.on('close', () => {
      if (!inUse()) return
      lines.delete(node)
      judge()
    })
    connection.on('message', (from, message) => {
      if (!inUse()) return
      if (from !== heartbeat) return deliver(message)
      line.proven = true
      line.provenAt = performance.now()
      judge()
    })
    connection
      .connect()
      .then(() => connection.subscribe(channel, heartbeat))
      .then(
        () => beat(node, line),
        () => inUse() && hangUp(node, line),
      )
  }

  function hangUp(node: RedisNode, { connection }: Line) {
    lines.delete(node)
    connection.disconnect()
    judge()
  }

  /** One at a time, and none into the queue of a client that is not connected. */
  function beat(node: RedisNode, line: Line) {
    if (line.beating || (node.status !== 'ready' && node.status !== 'wait')) return
    line.beating = true
    const done = () => {
      line.beating = false
    }
    node.call('publish', line.heartbeat, '').then(done, done)
  }

  function deliver(message: string) {
    if (delivered.has(message)) return
    delivered.add(message)
    const [oldest] = delivered
    if (delivered.size > remembered && oldest !== undefined) delivered.delete(oldest)

    const [type, key] = message.split(' ')
    if ((type !== 'ended' && type !== 'changed') || key === undefined) return
    for (const { listener } of [...watchers]) listener({ type, key })
  }

  function check() {
    if (timer === undefined) return
    const masters = nodes(redis)
    for (const [node, line] of lines) {
      const silentMs = performance.now() - line.provenAt
      if (silentMs >= silenceMs) line.proven = false
      if (silentMs >= patienceMs || !masters.includes(node)) hangUp(node, line)
    }
    for (const node of masters) {
      const line = lines.get(node)
      if (line === undefined) open(node)
      else beat(node, line)
    }
    judge()
  }

  function judge() {
    const masters = nodes(redis)
    const all = masters.length > 0 && masters.every(node => lines.get(node)?.proven)
    if (all === alive || timer === undefined) return
    alive = all
    if (!alive) onLost()
    for (const { lost } of [...watchers]) lost()
  }

  function start() {
    if (timer !== undefined) return
    // After a pause of this process the echoes already here are read first (setImmediate), or it would mistake its own
    // absence for a loss.
    timer = setInterval(() => setImmediate(check), heartbeatMs)
    check()
  }

  function stop() {
    clearInterval(timer)
    timer = undefined
    alive = false
    for (const [node, line] of lines) hangUp(node, line)
  }

  /** Also right after this process was paused, when nobody has had the time to look. */
  function fresh(): boolean {
    for (const { provenAt } of lines.values()) if (performance.now() - provenAt >= silenceMs) return false
    return true
  }

  return {
    watch(listener, lost) {
      const watcher = { listener, lost }
      watchers.add(watcher)
      start()
      return {
        get confirmed() {
          return alive && fresh() && watchers.has(watcher)
        },
        async close() {
          if (watchers.delete(watcher) && watchers.size === 0) stop()
        },
      }
    },
    close() {
      watchers.clear()
      stop()
    },
  }
}

/** A subscription at one server. */
interface Line {
  readonly connection: RedisSubscriber
  /** Channel that nobody else publishes to. */
  readonly heartbeat: string
  proven: boolean
  /** When its last echo came; before the first one, when it was opened. */
  provenAt: number
  /** A heartbeat is on its way to the server. */
  beating: boolean
}

const heartbeatMs = 500
/** Two heartbeats without an echo. */
const silenceMs = 2 * heartbeatMs
/**
 * How long a connection may take to prove itself, from its beginning or from its last echo, before another takes its
 * place.
 */
const patienceMs = 3000
/** How many announcements are remembered, to deliver each once. */
const remembered = 1000

function nodes(redis: RedisClient): readonly RedisNode[] {
  return redis.nodes === undefined ? [redis] : redis.nodes('master')
}
