import { randomUUID } from 'node:crypto'
import type { LoginChange, Watch } from './login-store.ts'
import type { RedisClient, RedisSubscriber } from './redis-commands.ts'

export interface RedisWatchOptions {
  readonly redis: RedisClient
  readonly channel: string
  readonly publish: (channel: string, message: string) => Promise<unknown>
  /** Called when announcements that used to arrive no longer do. */
  readonly onLost: () => void
}

export interface RedisWatch {
  watch(listener: (change: LoginChange) => void, lost: () => void): Watch
  close(): void
}

export function announcement(change: LoginChange): string {
  return `${change.type} ${change.key}`
}

/**
 * Receives announcements over one connection of its own, shared by all watchers, that exists only while somebody watches.
 *
 * A silent connection says nothing: it may be idle or cut. So a heartbeat makes the whole way that announcements make (published over the
 * client, received over the subscription), and only while it comes back does the watch count as alive. A connection is never repaired
 * behind our back: each is used until it fails, then another takes its place and everybody looks everything up again. In a Cluster it leads
 * to one of the nodes, all of which get every announcement; the Cluster client's own subscriptions move between nodes without a word.
 */
export function redisWatch({ redis, channel, publish, onLost }: RedisWatchOptions): RedisWatch {
  const watchers = new Set<{ listener: (change: LoginChange) => void; lost: () => void }>()
  const heartbeat = `${channel}:heartbeat:${randomUUID()}`
  let line: { connection: RedisSubscriber; proven: boolean; provenAt: number } | undefined
  let timer: NodeJS.Timeout | undefined

  function open() {
    const connection = subscriber(redis)
    if (connection === undefined) return
    const opened = { connection, proven: false, provenAt: performance.now() }
    line = opened
    connection.on('error', () => {})
    connection.on('close', () => {
      if (line !== opened) return
      miss()
      line = undefined
    })
    connection.on('message', (from, message) => {
      if (line !== opened) return
      if (from === heartbeat) prove(opened)
      else deliver(message)
    })
    connection
      .connect()
      .then(() => connection.subscribe(channel, heartbeat))
      .then(beat, () => {
        if (line === opened) hangUp()
      })
  }

  function beat() {
    publish(heartbeat, '').catch(() => {})
  }

  function prove(of: NonNullable<typeof line>) {
    of.provenAt = performance.now()
    if (of.proven) return
    of.proven = true
    for (const { lost } of [...watchers]) lost()
  }

  function deliver(message: string) {
    const [type, key] = message.split(' ')
    if ((type !== 'ended' && type !== 'changed') || key === undefined) return
    for (const { listener } of [...watchers]) listener({ type, key })
  }

  function check() {
    if (timer === undefined) return
    const silentMs = line === undefined ? 0 : performance.now() - line.provenAt
    if (silentMs >= silenceMs) miss()
    if (silentMs >= patienceMs) hangUp()
    if (line === undefined) open()
    else beat()
  }

  function miss() {
    if (!line?.proven) return
    line.proven = false
    onLost()
    for (const { lost } of [...watchers]) lost()
  }

  function hangUp() {
    miss()
    line?.connection.disconnect()
    line = undefined
  }

  function start() {
    // After a pause of this process the echoes already here are read first (setImmediate), or it would mistake its own absence for a loss.
    timer ??= setInterval(() => setImmediate(check), heartbeatMs)
    if (line === undefined) open()
  }

  function stop() {
    clearInterval(timer)
    timer = undefined
    line?.connection.disconnect()
    line = undefined
  }

  return {
    watch(listener, lost) {
      const watcher = { listener, lost }
      watchers.add(watcher)
      start()
      return {
        get alive() {
          return line?.proven === true && performance.now() - line.provenAt < silenceMs && watchers.has(watcher)
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

const heartbeatMs = 500
/** Two heartbeats without an echo. */
const silenceMs = 2 * heartbeatMs
/** How long a connection may take to prove itself, from its beginning or from its last echo, before another takes its place. */
const patienceMs = 3000

function subscriber(redis: RedisClient): RedisSubscriber | undefined {
  const options = { lazyConnect: true, retryStrategy: null }
  if (redis.nodes === undefined) return redis.duplicate(options)
  const masters = redis.nodes('master')
  return masters[Math.floor(Math.random() * masters.length)]?.duplicate(options)
}
