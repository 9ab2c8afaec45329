import type { IncomingMessage } from 'node:http'
import type { TokenSource } from 'qlik-oauth'

/** On whose behalf a proxied request or socket reaches the tenant. */
export interface Principal {
  /**
   * The same for all requests of one login: limits are counted by it. Without it, limits of requests are counted by
   * client address. Not sent to clients.
   */
  readonly id?: string
  /**
   * The same for all logins of one user of the tenant: limits of requests and event streams are counted by it, so that
   * further logins give no further share. Not sent to clients. @default `id`
   */
  readonly user?: string
  readonly tokens: TokenSource
  /**
   * Calls `listener` once when the login has ended in any process: by logout, an administrator, its idle or its
   * absolute limit. Calls it for a login that had ended before, too.
   *
   * @returns A function that removes the listener.
   */
  onEnd?(listener: () => void): () => void
  /** Called while an open socket is in use, so that the login does not become idle; possibly for every frame. */
  active?(): void
  /**
   * Called when a response or an accepted upgrade begins.
   *
   * @returns A value for `Set-Cookie`, such as a session cookie whose time limit starts anew; `undefined` for none.
   */
  setCookie?(): string | undefined
}

/**
 * Finds the principal of a request: from the session cookie, from the application's own login, or the same one for all.
 *
 * @returns `undefined` when the request is not authenticated.
 * @throws ERR_STORE_UNAVAILABLE and the other codes of the login store.
 */
export type Authenticate = (request: IncomingMessage) => Promise<Principal | undefined>
