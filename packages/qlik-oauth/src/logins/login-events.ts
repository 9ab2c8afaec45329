import type { QlikUser } from '../protocol/qlik-user.ts'
import type { LoginEndReason } from '../stores/login-store.ts'

/** Events in the life of a login. None contains a token, code, secret, cookie or `state`. */
export interface LoginEvents {
  login: { login: string; user: QlikUser; tenant: string }
  loginEnded: { login: string; user: QlikUser; tenant: string; reason: LoginEndReason }
  /** The application gave the browser a new session id; the login goes on under another key. */
  loginMoved: { login: string; previous: string; user: QlikUser; tenant: string }
  refresh: { login: string; tenant: string; tookMs: number }
  /**
   * The token endpoint refused a refresh or did not respond. `error: 'invalid_client'` means that the application's own
   * credentials are wrong: no login ends for it, and an operator must act.
   */
  refreshFailed: { login: string; tenant: string; code: string; error?: string; message: string }
  revocationFailed: { login: string; tenant: string; message: string }
  /** The store did not accept a refreshed token set. It is served from memory, and the write is repeated. */
  saveFailed: { login: string; tenant: string; message: string }
}

/** @param context What the caller of `Logins` passed: the request that caused the event, for instance. */
export type EmitLoginEvent = <Name extends keyof LoginEvents>(
  name: Name,
  event: LoginEvents[Name],
  context?: unknown,
) => void
