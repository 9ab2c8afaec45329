import type { QlikEventEmitter } from './login/context/event-emitter.ts'
import type { RestProxyObserver } from './proxy/proxied-event.ts'
import type { SocketObserver } from './socket/socket-proxy-options.ts'

export type ProxyObserver = RestProxyObserver & SocketObserver

/** Raises what happens to requests and sockets as events. */
export function proxyObserver(events: QlikEventEmitter, tenant?: string): ProxyObserver {
  const named = tenant === undefined ? {} : { tenant }
  return {
    failed: (event, request) => events.emit('proxy', { ...event, ...named }, request),
    watchesEnds: () => events.has('proxied'),
    ended: (event, request) => events.emit('proxied', { ...event, ...named }, request),
    socket: (event, request) => events.emit('socket', { ...event, ...named }, request),
    warn: message => events.emit('warning', { code: 'ERR_CONFIGURATION', message }),
  }
}
