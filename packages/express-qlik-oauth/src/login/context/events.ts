import type { LoginEvents } from 'qlik-oauth/internal'
import { invalidOption, rejectUnknownNames } from '../../http/options/option-checks.ts'
import type { RequestContext } from '../../http/response/request-context.ts'
import type { ProxiedEvent } from '../../proxy/proxied-event.ts'
import type { RestProxyEvent } from '../../proxy/rest-proxy-options.ts'
import type { SocketEvent } from '../../socket/socket-proxy-options.ts'

/**
 * The events of `qlikAuth`, each with the request that caused it, if one did. No event carries a token, code, secret,
 * cookie or `state`.
 */
export type QlikEvents = { [Name in keyof Events]: Events[Name] & RequestContext }

export interface Events extends LoginEvents {
  /** A login, a callback or a session cookie was refused. */
  denied: { code: string; message: string }
  /**
   * The proxy refused a request or could not complete it. `tenant` is missing when the request has no login and names
   * no tenant.
   */
  proxy: RestProxyEvent & { readonly tenant?: string }
  /** A request to the REST proxy has ended, however it ended; `tenant` as above. */
  proxied: ProxiedEvent & { readonly tenant?: string }
  /** A WebSocket was opened, closed or refused; `tenant` as above. */
  socket: SocketEvent & { readonly tenant?: string }
  /** The configuration contradicts the requests that arrive. Raised once per message. */
  warning: { code: string; message: string }
}

export type QlikEventName = keyof QlikEvents

/** The events of `qlikProxy`. */
export type ProxyEventName = 'proxy' | 'proxied' | 'socket' | 'warning'

/** Every event; a record, so that the compiler reports a name that is missing. */
export const eventNames: Record<QlikEventName, true> = {
  login: true,
  loginEnded: true,
  loginMoved: true,
  refresh: true,
  refreshFailed: true,
  revocationFailed: true,
  saveFailed: true,
  denied: true,
  proxy: true,
  proxied: true,
  socket: true,
  warning: true,
}

export const proxyEventNames: Record<ProxyEventName, true> = { proxy: true, proxied: true, socket: true, warning: true }

/**
 * @param owner Function that made the emitter.
 * @param names Names of its events.
 * @throws ERR_CONFIGURATION for an event that is never raised, and for a listener that is no function.
 */
export function checkListener(owner: string, names: readonly string[], name: unknown, listener: unknown): void {
  rejectUnknownNames(owner, 'event', [name], names)
  if (typeof listener !== 'function') throw invalidOption(`The listener of ${String(name)}`, 'a function', listener)
}

/** Raises an event; with an IncomingMessage as `request`, the event gets its address and trace id. */
export type Emit = <Name extends QlikEventName>(name: Name, event: Events[Name], request?: unknown) => void
