import type { LoginEvents } from 'qlik-oauth/internal'
import type { RequestContext } from '../http/request-context.ts'
import type { RestProxyEvent } from '../proxy/rest-proxy-options.ts'
import type { SocketEvent } from '../socket/socket-proxy-options.ts'

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
  /** A WebSocket was opened, closed or refused; `tenant` as above. */
  socket: SocketEvent & { readonly tenant?: string }
  /** The configuration contradicts the requests that arrive. Raised once per message. */
  warning: { code: string; message: string }
}

export type QlikEventName = keyof QlikEvents
/** Raises an event; with an IncomingMessage as `request`, the event gets its address and trace id. */
export type Emit = <Name extends QlikEventName>(name: Name, event: Events[Name], request?: unknown) => void
