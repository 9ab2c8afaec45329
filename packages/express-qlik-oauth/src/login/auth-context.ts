import type { IncomingMessage } from 'node:http'
import type { SessionOptions } from 'express-session'
import type { LoginStore } from 'qlik-oauth'
import type { Login, Logins } from 'qlik-oauth/internal'
import type { Emit } from './events.ts'
import type { LoginStates } from './login-state.ts'
import type { SessionId } from './session-cookie.ts'
import type { TenantRegistry } from './tenant-registry.ts'
import type { TransactionCookies } from './transaction-cookie.ts'

/** What the routes and guards of one `qlikAuth` share. */
export interface AuthContext {
  readonly tenants: TenantRegistry
  readonly session: SessionOptions
  readonly store: LoginStore
  readonly logins: Logins
  readonly states: LoginStates
  readonly transactionCookies: TransactionCookies
  readonly home: string
  readonly loginRateLimit: number
  readonly emit: Emit
  /** The id in the request's session cookie, when its signature is right. */
  readonly sessionId: (request: IncomingMessage) => SessionId | undefined
  /**
   * The one question that pages, proxy and sockets ask: cookie, session id, login record. Starts the idle time anew.
   */
  readonly findLogin: (request: IncomingMessage) => Promise<Login | undefined>
  /** The same without touching the idle time. */
  readonly peekLogin: (request: IncomingMessage) => Promise<Login | undefined>
}
