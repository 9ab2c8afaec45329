import { serialize } from 'cookie'
import { sign } from 'cookie-signature'
import type { CookieOptions, SessionData, SessionOptions, Store } from 'express-session'
import { LRUCache } from 'lru-cache'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { cookieAttributes, type SessionId, type SessionSecret, sessionName } from './session-cookie.ts'

export interface CookieRenewalOptions {
  readonly session: SessionOptions
  readonly sessionStore: Store
  /** Newest first. */
  readonly secrets: readonly SessionSecret[]
  readonly location: PublicLocation
}

/**
 * Renews the cookie and the stored session of a rolling session for requests that do not pass `session()`.
 *
 * The proxy does not wait for the session store: the cookie goes with the first response after the session was read.
 *
 * @returns A function that is called for each request with a login, and returns one to call when the response begins:
 * it returns a value for `Set-Cookie` at most once per tenth of `maxAge`. `undefined` unless `rolling` is set.
 */
export function cookieRenewal({
  session,
  sessionStore,
  secrets: [secret],
  location,
}: CookieRenewalOptions): ((id: SessionId) => () => string | undefined) | undefined {
  if (!session.rolling || secret === undefined) return undefined
  const name = sessionName(session)
  const renewals = new LRUCache<string, Renewal>({ max: 10_000 })

  function read({ id }: SessionId, renewal: Renewal): void {
    renewal.dueAt = Date.now() + retryMs
    sessionStore.get(id, (error: unknown, stored?: SessionData | null) => {
      if (error) return
      const cookie: CookieOptions = stored?.cookie ?? (typeof session.cookie === 'function' ? {} : session.cookie) ?? {}
      // The time limit may differ from session to session: `req.session.cookie.maxAge`.
      const maxAge = stored?.cookie.originalMaxAge ?? cookie.maxAge
      if (typeof maxAge !== 'number') return
      renewal.dueAt = Date.now() + maxAge / 10
      renewal.cookie = { ...cookie, maxAge }
      if (!stored) return
      stored.cookie.expires = new Date(Date.now() + maxAge)
      sessionStore.touch?.(id, stored)
    })
  }

  return sessionId => {
    let renewal = renewals.get(sessionId.id)
    if (renewal === undefined) {
      renewal = { dueAt: 0, cookie: undefined }
      renewals.set(sessionId.id, renewal)
    }
    const current = renewal
    if (Date.now() >= current.dueAt) read(sessionId, current)
    return () => {
      const { cookie } = current
      current.cookie = undefined
      if (cookie === undefined) return undefined
      const attributes = cookieAttributes(cookie, location.isHttps)
      // Browsers refuse a Secure cookie over http.
      if (attributes.secure === true && !location.isHttps) return undefined
      return serialize(name, `s:${sign(sessionId.id, secret)}`, attributes)
    }
  }
}

interface Renewal {
  dueAt: number
  /** Options of a cookie that no response has carried yet. */
  cookie: CookieOptions | undefined
}

/** Until the session store is asked again after an error, or for a cookie without a time limit. */
const retryMs = 10_000
