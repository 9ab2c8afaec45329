import { parse, serialize } from 'cookie'
import { sign } from 'cookie-signature'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { SessionData, Store } from 'express-session'
import { QlikOAuthError } from 'qlik-oauth'
import { type Logins, loginKey } from 'qlik-oauth/internal'
import type { AuthContext } from './auth-context.ts'
import { cookieOptions, type SessionId, sessionSecrets } from './session-cookie.ts'
import { configuration } from './tenant-registry.ts'

/**
 * Ties the application's session store to the logins.
 *
 * `req.session.destroy()` and `regenerate()` of the application end the login too: who destroys a session means it. A
 * session that was lost, by eviction or a store of its own, is destroyed by nobody; the login stays.
 *
 * A store that does not answer becomes ERR_STORE_UNAVAILABLE, status 503, within a second, instead of a request that
 * hangs.
 */
export function bindSessionStore(store: Store, logins: Logins): void {
  const { get, set, destroy } = {
    get: store.get.bind(store),
    set: store.set.bind(store),
    destroy: store.destroy.bind(store),
  }
  const touch = store.touch?.bind(store)

  store.get = (sessionId, done) => {
    const answered = inTime(done)
    const read = (error: unknown, session?: SessionData | null): void => {
      // Data that cannot be read are lost data: the application begins new ones, and the login stays.
      if (isUnreadable(error, session)) answered(null, null)
      else if (error) answered(unavailable(error))
      else answered(null, session)
    }
    try {
      get(sessionId, read)
    } catch (error) {
      read(error)
    }
  }
  store.set = (sessionId, session, done) =>
    set(
      sessionId,
      session,
      inTime(error => done?.(error ? unavailable(error) : undefined)),
    )
  if (touch !== undefined) {
    // The answer is ready and does not depend on it: a session whose time was not extended is no reason to hold it back
    // or to break it off.
    store.touch = (sessionId, session, done) =>
      touch(
        sessionId,
        session,
        inTime(() => done?.()),
      )
  }
  store.destroy = (sessionId, done) => {
    const ended = logins.end(loginKey(sessionId), 'session_destroyed')
    const destroyed = new Promise<void>((resolve, reject) =>
      destroy(
        sessionId,
        inTime(error => (error ? reject(unavailable(error)) : resolve())),
      ),
    )
    Promise.all([ended, destroyed]).then(
      () => done?.(),
      error => done?.(error),
    )
  }
}

function isUnreadable(error: unknown, session: unknown): boolean {
  if (error) return (error as { name?: unknown }).name === 'SyntaxError'
  if (session === null || session === undefined) return false
  const { cookie } = session as { cookie?: unknown }
  return typeof cookie !== 'object' || cookie === null
}

/** Calls `done` once: with the answer, or with an error when there is none in time. */
function inTime<Value>(done: (error: unknown, value?: Value) => void): (error?: unknown, value?: Value) => void {
  let waiting = true
  const once = (error?: unknown, value?: Value): void => {
    if (!waiting) return
    waiting = false
    clearTimeout(timer)
    done(error, value)
  }
  const timer = setTimeout(() => once(unavailable('no answer in time')), longestAnswerMs)
  return once
}

const longestAnswerMs = 900

export function unavailable(cause: unknown): QlikOAuthError {
  return new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'The session store does not answer', {
    cause,
    retryAfterSeconds: 1,
  })
}

/**
 * Keeps the session in step with the login: where the session's data were lost but the login lives, the session goes on
 * under the same id; a cookie signed with an older secret is sent again, signed with the newest.
 */
export function followLogin(context: AuthContext): RequestHandler {
  return async function followLogin(request: Request, response: Response, next: NextFunction) {
    const cookie = context.sessionId(request)
    clearInvalidCookie(context, request, response)
    if (cookie === undefined || request.session === undefined) return next()
    try {
      if (request.sessionID !== cookie.id && (await context.peekLogin(request)) !== undefined)
        recreateSession(context, request, cookie)
    } catch {
      // Whether somebody is logged in is for the guard to ask and to answer for.
    }
    if (cookie.outdated) reissueCookie(context, response, cookie)
    next()
  }
}

/** A cookie that this application did not sign is taken away, so that the browser stops sending it. */
export function clearInvalidCookie(
  { session, sessionId, emit }: AuthContext,
  request: Request,
  response: Response,
): void {
  const name = session.name ?? 'connect.sid'
  if (parse(request.headers.cookie ?? '')[name] === undefined || sessionId(request) !== undefined) return
  emit('denied', { code: 'ERR_LOGIN_REQUIRED', message: 'A session cookie without a valid signature' })
  response.append('set-cookie', serialize(name, '', { ...cookieOptions(session), maxAge: 0 }))
  response.set('cache-control', 'no-store')
}

function recreateSession({ session }: AuthContext, request: Request, { id }: SessionId): void {
  const { store } = session
  if (store === undefined) return
  request.sessionID = id
  const { cookie } = request.session
  store.createSession(request, { cookie: { ...cookie, originalMaxAge: cookie.originalMaxAge } })
}

function reissueCookie({ session }: AuthContext, response: Response, { id }: SessionId): void {
  const [secret] = sessionSecrets(session)
  if (secret === undefined) throw configuration('session.secret must hold at least one secret.')
  response.append(
    'set-cookie',
    serialize(session.name ?? 'connect.sid', `s:${sign(id, secret)}`, cookieOptions(session)),
  )
  response.set('cache-control', 'no-store')
}
