import type { Request } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { isObject } from 'qlik-oauth/internal'
import { httpError } from '../../http/response/error-response.ts'
import type { HookSettings, PendingLogin } from './hook-options.ts'
import { refuseOwnResponse } from './own-response.ts'
import { withinTime } from './time-limit.ts'

/**
 * Calls the application's `onLogin`.
 *
 * @throws ERR_LOGIN_REFUSED with the application's message; ERR_HOOK_TIMEOUT; failures as they are.
 */
export async function callOnLogin(
  { onLogin, hookTimeoutMs }: HookSettings,
  request: Request,
  login: Omit<PendingLogin, 'signal'>,
): Promise<void> {
  if (onLogin === undefined) return
  try {
    await withinTime('onLogin', hookTimeoutMs, signal => onLogin(request, { ...login, signal }))
    refuseOwnResponse(request, () =>
      httpError('ERR_LOGIN_REFUSED', 'onLogin sent a response: throw an error to refuse a login, return to accept it.'),
    )
  } catch (error) {
    throw isRefusal(error) ? refused(error) : error
  }
}

/** An error that was thrown on purpose; drivers and the system give theirs a `code`. */
function isRefusal(error: unknown): boolean {
  if (error instanceof QlikOAuthError) return false
  if (!isObject(error)) return true
  const status = error.status ?? error.statusCode
  if (typeof status === 'number') return status < 500
  return error.code === undefined && !failures.has(String(error.name))
}

const failures = new Set(['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError', 'AbortError', 'TimeoutError'])

function refused(cause: unknown): QlikOAuthError {
  const message = isObject(cause) && typeof cause.message === 'string' ? cause.message.slice(0, 500) : ''
  return httpError('ERR_LOGIN_REFUSED', message === '' ? 'The application refused the login.' : message, { cause })
}
