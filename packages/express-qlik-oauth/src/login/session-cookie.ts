import type { IncomingMessage } from 'node:http'
import { parse, type SerializeOptions } from 'cookie'
import { unsign } from 'cookie-signature'
import type { CookieOptions, SessionOptions } from 'express-session'
import { loginKey } from 'qlik-oauth/internal'

/** The session id of a request, taken from a cookie with a valid signature. */
export interface SessionId {
  readonly id: string
  /** Name of the login that belongs to the session. */
  readonly login: string
  /** The signature is of an older secret; the cookie should be sent again. */
  readonly outdated: boolean
}

/**
 * Name and options of the session cookie for an application at `publicUrl`: `__Host-sid`, Secure, on https; `sid` on
 * http://localhost, where browsers refuse the prefix. HttpOnly, SameSite=Lax, no Domain.
 *
 * @example session({ ...sessionCookie(publicUrl), secret, store, resave: false, saveUninitialized: false })
 */
export function sessionCookie(publicUrl: string): { name: string; cookie: CookieOptions } {
  const secure = publicUrl.startsWith('https:')
  return { name: secure ? '__Host-sid' : 'sid', cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure } }
}

/**
 * Reads the session id as express-session would, without its store: the proxy and the upgrade need nothing else of it.
 *
 * @param sessions The options that `session()` is mounted with.
 */
export function sessionIdReader(sessions: SessionOptions): (request: IncomingMessage) => SessionId | undefined {
  const name = sessions.name ?? 'connect.sid'
  const secrets = sessionSecrets(sessions)
  // The same browsers come again and again, and an HMAC costs more than all else that is computed for a proxied
  // request.
  const verified = new Map<string, SessionId>()

  return request => {
    const header = request.headers.cookie
    // A quick look first: anonymous requests with other cookies are not parsed.
    if (header === undefined || !header.includes(name)) return undefined
    const value = parse(header)[name]
    if (value === undefined || !value.startsWith('s:') || value.length > longestCookie) return undefined
    const known = verified.get(value)
    if (known !== undefined) return known

    for (const [index, secret] of secrets.entries()) {
      const id = unsign(value.slice(2), secret)
      if (id === false) continue
      const found = { id, login: loginKey(id), outdated: index > 0 }
      const [oldest] = verified.size < mostVerified ? [] : verified.keys()
      if (oldest !== undefined) verified.delete(oldest)
      verified.set(value, found)
      return found
    }
    return undefined
  }
}

export function sessionSecrets(sessions: SessionOptions): readonly string[] {
  return [sessions.secret].flat().map(String)
}

/** The attributes with which express-session sends its cookie, for sending or clearing it beside express-session. */
export function cookieOptions({ cookie }: SessionOptions): SerializeOptions {
  const { path = '/', httpOnly = true, domain, sameSite, secure } = typeof cookie === 'object' ? cookie : {}
  return {
    path,
    httpOnly,
    ...(domain === undefined ? {} : { domain }),
    ...(sameSite === undefined ? {} : { sameSite }),
    ...(typeof secure === 'boolean' ? { secure } : {}),
  }
}

/** A session id is 32 characters and its signature 43; applications with their own `genid` have room. */
const longestCookie = 1024
const mostVerified = 10_000
