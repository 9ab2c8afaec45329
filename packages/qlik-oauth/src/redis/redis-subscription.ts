import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { LoginChange, LoginChangeSubscription } from '../stores/login-store.ts'
import type { RedisConnection, RedisServer, RedisSubscriber } from './clients/redis-connection.ts'

export interface RedisSubscription {
  subscribe(onChange: (change: LoginChange) => void, onGap: () => void): LoginChangeSubscription
  close(): void
}

/** The message that announces a change. Each is unique, so that a duplicate delivery can be recognised. */
export function announcement(change: LoginChange): string {
  return `${change.type} ${change.key} ${randomUUID()}`
}

/**
 * Receives announcements over a connection of its own, which all subscribers share and which exists only while there
 * are any.
 *
 * A silent connection may be idle or cut. A heartbeat therefore takes the path of the announcements (published by the
 * client, received by the subscription), and the subscription is confirmed only while heartbeats come back. A failed
 * connection is not reconnected: a new one replaces it, and `onGap` is called.
 *
 * In a Cluster there is one connection to each master. Nodes forward announcements to one another, but drop them
 * silently while their link is broken, and the subscription of the Cluster client moves between nodes without notice.
 *
 * @param onLost Called when announcements stop arriving.
 */
export function redisSubscription(redis: RedisConnection, channel: string, onLost: () => void): RedisSubscription {
  const subscribers = new Set<{ onChange: (change: LoginChange) => void; onGap: () => void }>()
  const subscriptions = new Map<RedisServer, ServerSubscription>()
  const delivered = new LRUCache<string, true>({ max: rememberedAnnouncements })
  let confirmed = false
  let timer: NodeJS.Timeout | undefined

  function connect(server: RedisServer): void {
    const heartbeatChannel = `${channel}:heartbeat:${randomUUID()}`
    const subscriber = server.subscribe([channel, heartbeatChannel], { onMessage, onClose })
    const subscription: ServerSubscription = {
      subscriber,
      heartbeatChannel,
      confirmed: false,
      lastHeartbeat: performance.now(),
      heartbeatPending: false,
    }
    subscriptions.set(server, subscription)
    const isCurrent = () => subscriptions.get(server) === subscription

    function onClose(): void {
      if (isCurrent()) disconnect(server, subscription)
    }

    function onMessage(from: string, message: string): void {
      if (!isCurrent()) return
      if (from === heartbeatChannel) {
        subscription.confirmed = true
        subscription.lastHeartbeat = performance.now()
        updateHealth()
      } else deliver(message)
    }

    subscriber.subscribed.then(() => sendHeartbeat(server, subscription), onClose)
  }

  function disconnect(server: RedisServer, { subscriber }: ServerSubscription): void {
    subscriptions.delete(server)
    subscriber.close()
    updateHealth()
  }

  /** One at a time, and none while the client is not connected: it would wait in the client's queue. */
  function sendHeartbeat(server: RedisServer, subscription: ServerSubscription): void {
    if (subscription.heartbeatPending || !server.isReady) return
    subscription.heartbeatPending = true
    const settled = () => {
      subscription.heartbeatPending = false
    }
    server.publish(subscription.heartbeatChannel, '').then(settled, settled)
  }

  function deliver(message: string): void {
    if (delivered.has(message)) return
    delivered.set(message, true)
    const [type, key] = message.split(' ')
    if ((type !== 'ended' && type !== 'changed') || key === undefined) return
    for (const { onChange } of [...subscribers]) onChange({ type, key })
  }

  function tick(): void {
    if (timer === undefined) return
    const servers = redis.servers()
    for (const [server, subscription] of subscriptions) {
      const silentMs = performance.now() - subscription.lastHeartbeat
      if (silentMs >= unconfirmedAfterMs) subscription.confirmed = false
      if (silentMs >= replacedAfterMs || !servers.includes(server)) disconnect(server, subscription)
    }
    for (const server of servers) {
      const subscription = subscriptions.get(server)
      if (subscription === undefined) connect(server)
      else sendHeartbeat(server, subscription)
    }
    updateHealth()
  }

  function updateHealth(): void {
    const servers = redis.servers()
    const healthy = servers.length > 0 && servers.every(server => subscriptions.get(server)?.confirmed)
    if (healthy === confirmed || timer === undefined) return
    confirmed = healthy
    if (!confirmed) onLost()
    for (const { onGap } of [...subscribers]) onGap()
  }

  function start(): void {
    if (timer !== undefined) return
    // After a pause of this process, setImmediate reads the heartbeats that have arrived meanwhile before they are
    // missed.
    timer = setInterval(() => setImmediate(tick), heartbeatMs)
    tick()
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
    confirmed = false
    for (const [server, subscription] of subscriptions) disconnect(server, subscription)
  }

  /** Also correct right after a pause of this process, before the next tick. */
  function isRecent(): boolean {
    for (const { lastHeartbeat } of subscriptions.values())
      if (performance.now() - lastHeartbeat >= unconfirmedAfterMs) return false
    return true
  }

  return {
    subscribe(onChange, onGap) {
      const subscriber = { onChange, onGap }
      subscribers.add(subscriber)
      start()
      return {
        get confirmed() {
          return confirmed && isRecent() && subscribers.has(subscriber)
        },
        async close() {
          if (subscribers.delete(subscriber) && subscribers.size === 0) stop()
        },
      }
    },
    close() {
      subscribers.clear()
      stop()
    },
  }
}

/** The subscription at one server. */
interface ServerSubscription {
  readonly subscriber: RedisSubscriber
  /** No other subscription uses this channel. */
  readonly heartbeatChannel: string
  confirmed: boolean
  /** When the last heartbeat arrived; before the first one, when the connection was begun. On `performance.now()`. */
  lastHeartbeat: number
  /** A heartbeat is on its way to the server. */
  heartbeatPending: boolean
}

const heartbeatMs = 500
const unconfirmedAfterMs = 2 * heartbeatMs
/** How long a connection may be without a heartbeat, from its beginning or the last one, before it is replaced. */
const replacedAfterMs = 3000
const rememberedAnnouncements = 1000
