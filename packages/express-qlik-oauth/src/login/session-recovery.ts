import { serialize } from 'cookie'
import { sign } from 'cookie-signature'
import type { Request, Response } from 'express'
import { isLoopback } from 'qlik-oauth/internal'
import type { AuthContext } from './context/auth-context.ts'
import {
  cookieAttributes,
  cookieOptions,
  cookieValues,
  isSecureRequest,
  type SessionId,
  sessionName,
} from './cookies/session-cookie.ts'

/**
 * Keeps the session in step with the login. When express-session started another session although the cookie has a
 * login (its data was lost, or another application's cookie of the same name came first), the session continues under
 * the id of the login. A cookie that an older secret signed is signed again.
 */
export async function recoverSession(context: AuthContext, request: Request, response: Response): Promise<void> {
  clearInvalidCookie(context, request, response)
  const ids = context.sessionIds(request)
  const [first] = ids
  if (first === undefined || request.session === undefined) return

  const isInStep = ids.length === 1 && request.sessionID === first.id
  const current = isInStep ? first : await withLogin(context, request, ids)
  if (current !== undefined && request.sessionID !== current.id) recreateSession(context, request, current)
  const kept = current ?? first
  if (kept.outdated) reissueCookie(context, request, response, kept)
}

/** The session id whose login counts. While the store is unavailable there is none: the guards report it. */
async function withLogin(
  { peekLogin }: AuthContext,
  request: Request,
  ids: readonly SessionId[],
): Promise<SessionId | undefined> {
  const login = await peekLogin(request).catch(() => undefined)
  return ids.find(id => id.login === login?.key)
}

function recreateSession({ settings: { sessionStore } }: AuthContext, request: Request, { id }: SessionId): void {
  request.sessionID = id
  const { cookie } = request.session
  sessionStore.createSession(request, { cookie: { ...cookie, originalMaxAge: cookie.originalMaxAge } })
}

function reissueCookie({ settings }: AuthContext, request: Request, response: Response, { id }: SessionId): void {
  const { session, secrets } = settings
  const isSecure = isSecureRequest(request, session)
  const attributes = cookieAttributes(request.session.cookie, isSecure)
  // Browsers refuse a Secure cookie over http, and express-session does not send it.
  if (secrets[0] === undefined || (attributes.secure === true && !isSecure)) return
  response.append('set-cookie', serialize(sessionName(session), `s:${sign(id, secrets[0])}`, attributes))
  response.set('cache-control', 'no-store')
}

/**
 * Reports a session cookie without a valid signature, and clears it when it is certainly this application's.
 *
 * Cookies know no ports, and without the prefix `__Host-` other hosts of the domain can set them: such a cookie may
 * belong to another application, whose users must not be logged out.
 */
export function clearInvalidCookie(context: AuthContext, request: Request, response: Response): void {
  const { settings, sessionIds, emit } = context
  const name = sessionName(settings.session)
  if (cookieValues(request.headers.cookie ?? '', name).length === 0 || sessionIds(request).length > 0) return
  emit('denied', { code: 'ERR_LOGIN_REQUIRED', message: 'A session cookie has no valid signature' }, request)
  const { hostname, port } = new URL(settings.location.origin)
  if (!name.startsWith('__Host-') || isLoopback(hostname) || port !== '') return
  response.append('set-cookie', expiredSessionCookie(context, request))
  response.set('cache-control', 'no-store')
}

/** A value for `Set-Cookie` that removes the session cookie. */
export function expiredSessionCookie({ settings: { session } }: AuthContext, request: Request): string {
  const options = request.session?.cookie ?? cookieOptions(session, request)
  const { expires, ...attributes } = cookieAttributes(options, isSecureRequest(request, session))
  return serialize(sessionName(session), '', { ...attributes, maxAge: 0 })
}
