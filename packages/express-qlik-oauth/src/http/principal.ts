import type { IncomingMessage } from 'node:http'
import type { TokenSource } from 'qlik-oauth'

/** On whose behalf a proxied request or socket reaches the tenant. */
export interface Principal {
  /**
   * Names whose access it is, the same for all requests of one login, so that limits apply per login. Not shown to
   * anybody.
   */
  readonly id?: string
  readonly tokens: TokenSource
  /**
   * Calls `listener` once when the access is over: logout, ended by an administrator, idle or absolute end, in any
   * process.
   * @returns A function that stops listening.
   */
  onEnd?(listener: () => void): () => void
  /**
   * Tells that somebody is using an open socket, so that the login does not count as idle. Cheap; may be called for
   * every frame.
   */
  active?(): void
}

/**
 * Finds the access of a request: from the session cookie, from the host application's own login, or the same one for
 * everybody.
 *
 * @returns `undefined` when the request comes from nobody who may reach the tenant.
 * @throws ERR_STORE_UNAVAILABLE and the other codes of the login store.
 */
export type Authenticate = (request: IncomingMessage) => Promise<Principal | undefined>
