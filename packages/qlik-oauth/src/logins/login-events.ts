import type { QlikUser } from '../protocol/qlik-user.ts'

/** Why a login ended. `expired` covers the idle and the absolute end. */
export type EndReason = 'logout' | 'administrator' | 'replaced' | 'session_destroyed' | 'refresh_refused' | 'expired'

/** What happens to logins. No event carries a token, code, secret, cookie or `state`. */
export interface LoginEvents {
  login: { login: string; user: QlikUser; tenant: string }
  loginEnded: { login: string; user: QlikUser; tenant: string; reason: EndReason }
  refresh: { login: string; tenant: string; tookMs: number }
  /**
   * `invalid_client` means that this application's own credentials are wrong: no login is ended for it, an operator
   * must act.
   */
  refreshFailed: { login: string; tenant: string; code: string; error?: string; message: string }
  revocationFailed: { login: string; tenant: string; message: string }
  /** The store refused to take a renewed token set; it is served from memory and written again. */
  saveFailed: { login: string; tenant: string; message: string }
}

export type EmitLoginEvent = <Name extends keyof LoginEvents>(name: Name, event: LoginEvents[Name]) => void
