import type { IncomingMessage } from 'node:http'
import type { SessionOptions } from 'express-session'
import type { Login, LoginStore, Logins } from 'qlik-oauth'
import type { Emit } from './events.ts'
import type { BrowserCookies } from './login/browser-cookie.ts'
import type { LoginStates } from './login/login-state.ts'
import type { SessionId } from './login/session-cookie.ts'
import type { Sites } from './options.ts'

/** What the routes and guards of one `qlikAuth` share. */
export interface AuthContext {
  readonly sites: Sites
  readonly session: SessionOptions
  readonly store: LoginStore
  readonly logins: Logins
  readonly states: LoginStates
  readonly browsers: BrowserCookies
  readonly home: string
  readonly loginRateLimit: number
  readonly emit: Emit
  /** The id in the request's session cookie, when its signature is right. */
  readonly sessionId: (request: IncomingMessage) => SessionId | undefined
  /** The one question that pages, proxy and sockets ask: cookie, session id, login record. Starts the idle time anew. */
  readonly findLogin: (request: IncomingMessage) => Promise<Login | undefined>
  /** The same without touching the idle time. */
  readonly peekLogin: (request: IncomingMessage) => Promise<Login | undefined>
}
