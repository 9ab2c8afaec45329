import type { IncomingMessage } from 'node:http'
import type { Login, Logins } from 'qlik-oauth/internal'
import type { SessionId } from '../cookies/session-cookie.ts'
import type { TransactionCookies } from '../cookies/transaction-cookie.ts'
import type { AuthSettings } from '../options/auth-options.ts'
import type { AuthorizationStates } from './authorization-state.ts'
import type { Emit } from './events.ts'
import type { TenantRegistry } from './tenant-registry.ts'

/** What the routes and guards of one `qlikAuth` share. */
export interface AuthContext {
  readonly settings: AuthSettings
  readonly tenants: TenantRegistry
  readonly logins: Logins
  readonly states: AuthorizationStates
  readonly transactionCookies: TransactionCookies
  readonly emit: Emit
  /** The ids in the request's session cookies with a valid signature. */
  readonly sessionIds: (request: IncomingMessage) => readonly SessionId[]
  /**
   * Finds the login of a request: cookie, session id, login record. Guards, proxy and sockets all use it. Restarts the
   * idle timeout.
   *
   * @throws ERR_STORE_UNAVAILABLE
   */
  readonly findLogin: (request: IncomingMessage) => Promise<Login | undefined>
  /** Like `findLogin`, but leaves the idle timeout alone. */
  readonly peekLogin: (request: IncomingMessage) => Promise<Login | undefined>
}
