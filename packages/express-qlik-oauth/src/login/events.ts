import type { LoginEvents } from 'qlik-oauth'
import type { RestProxyEvent } from '../proxy/rest-proxy-options.ts'
import type { SocketEvent } from '../socket/socket-proxy.ts'

/** Everything an application can listen to. No event carries a token, code, secret, cookie or `state`. */
export interface QlikEvents extends LoginEvents {
  /** A login attempt or a request was refused. */
  denied: { code: string; message: string }
  /**
   * A request that the proxy refused, or could not carry out. `tenant` is missing where none is known: at a request
   * from nobody.
   */
  proxy: RestProxyEvent & { readonly tenant?: string }
  /** A WebSocket was opened, closed or refused. */
  socket: SocketEvent & { readonly tenant?: string }
  /** The configuration works against itself; said once for each message. */
  warning: { code: string; message: string }
}

export type QlikEventName = keyof QlikEvents
export type Emit = <Name extends QlikEventName>(name: Name, event: QlikEvents[Name]) => void
