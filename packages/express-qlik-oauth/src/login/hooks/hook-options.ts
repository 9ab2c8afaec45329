import type { Request } from 'express'
import type { SessionData } from 'express-session'
import type { QlikUser } from 'qlik-oauth'
import { quoted, requireOptions } from 'qlik-oauth/internal'
import { configurationError, wholeNumber } from '../../http/options/option-checks.ts'
import {
  type AuthorizationParams,
  type AuthorizationParamsOf,
  type AuthorizationParamsSettings,
  checkedParameters,
} from './authorization-params.ts'

/** A user who has authenticated at the tenant and is not logged in to the application yet. */
export interface PendingLogin {
  readonly user: QlikUser
  /** Granted scopes, separated by spaces. */
  readonly scope: string
  /** Origin of the tenant. */
  readonly tenant: string
  /** Aborted when the time limit of the hook has passed. */
  readonly signal: AbortSignal
  /** The user's access token. Never send it to the browser, and do not put it into `req.session`. */
  accessToken(): Promise<string>
  /** Calls the tenant as the user, like `req.qlik.fetch`. */
  fetch(path: string, init?: RequestInit): Promise<Response>
}

/** The application's own code in a login. */
export interface HookOptions {
  /**
   * Called when the tenant has named the user, before the login exists. `request.session` is the new session and holds
   * the application's data; what is written into it is kept.
   *
   * Throw an error to refuse the user: 403 ERR_LOGIN_REFUSED with the error's message, and the browser keeps the session
   * and the login it had. Errors with a `code`, with a status of 500 or above, and programming errors such as a
   * TypeError count as failures, and reach the error handler as they are. In each case the tokens are revoked. Do not
   * respond here: that refuses the user, too.
   */
  readonly onLogin?: (request: Request, login: PendingLogin) => void | Promise<void>
  /**
   * Parameters of the authorization request, such as `prompt`, `login_hint`, `max_age` or `ui_locales`; or a function
   * that finds them for a request. Parameters of the protocol, such as `scope` and `state`, are refused.
   */
  readonly authorizationParams?: AuthorizationParams | AuthorizationParamsOf
  /** Time limit of `onLogin` and `authorizationParams`, in milliseconds; then 503 ERR_HOOK_TIMEOUT. @default 10000 */
  readonly hookTimeoutMs?: number
  /**
   * Finds the user of the application's own login in its session data. When the application changes the session id with
   * `req.session.regenerate()`, the login is kept only for the same user.
   *
   * @default session => session.passport?.user
   */
  readonly applicationUser?: (session: Partial<SessionData>) => unknown
}

export const hookOptionNames: readonly (keyof HookOptions)[] = [
  'onLogin',
  'authorizationParams',
  'hookTimeoutMs',
  'applicationUser',
]

/** Checked options. */
export interface HookSettings extends AuthorizationParamsSettings {
  readonly onLogin: HookOptions['onLogin']
}

/** @throws ERR_CONFIGURATION */
export function hookSettings({ onLogin, authorizationParams, hookTimeoutMs }: HookOptions): HookSettings {
  if (onLogin !== undefined && typeof onLogin !== 'function')
    throw configurationError(`onLogin must be a function of the request and the login, got ${quoted(onLogin)}.`)
  if (typeof authorizationParams !== 'function') {
    if (authorizationParams !== undefined) requireOptions('authorizationParams', authorizationParams)
    checkedParameters(authorizationParams)
  }
  return { onLogin, authorizationParams, hookTimeoutMs: wholeNumber('hookTimeoutMs', hookTimeoutMs, 10_000) }
}
