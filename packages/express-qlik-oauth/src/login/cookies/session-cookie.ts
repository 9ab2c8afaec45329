import type { CipherKey } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { SerializeOptions } from 'cookie'
import { unsign } from 'cookie-signature'
import type { Request } from 'express'
import type { CookieOptions, SessionOptions } from 'express-session'
import { LRUCache } from 'lru-cache'
import { loginKey } from 'qlik-oauth/internal'
import { type PublicLocation, publicLocation } from '../../http/location/public-location.ts'
import { cookiePath } from './session-cookie-path.ts'

/** The session id of a request, taken from a cookie with a valid signature. */
export interface SessionId {
  readonly id: string
  /** Key of the login that belongs to the session. */
  readonly login: string
  /** Whether an older secret signed the cookie; it should be signed again. */
  readonly outdated: boolean
}

export type SessionSecret = CipherKey

/**
 * Name and options of the session cookie for an application at `publicUrl`: `__Host-sid` with Secure on https, `sid` on
 * http://localhost, where browsers refuse the prefix. HttpOnly, SameSite=Lax, no Domain.
 *
 * Below a path, such as `https://company.example/portal`, it is `__Secure-sid-portal` with this path: `__Host-` is for
 * the path "/" only. `qlikAuth` makes it work behind a balancer that removes the path from requests, too.
 *
 * @throws ERR_CONFIGURATION
 * @example session({ ...sessionCookie(publicUrl), secret, store, resave: false, saveUninitialized: false })
 */
export function sessionCookie(publicUrl: string): { name: string; cookie: CookieOptions } {
  const { name, attributes } = hostCookie(publicLocation(publicUrl), 'sid')
  return { name, cookie: { ...attributes } }
}

/**
 * A cookie of this application alone, as far as its address allows. RFC 6265bis, section 4.1.3.
 *
 * `__Host-` demands the path "/", so below a base path the prefix is `__Secure-`. The base path is part of the name as
 * well: an application below `/a/b` also gets the cookies of the one below `/a`.
 */
export function hostCookie({ base, isHttps }: PublicLocation, name: string) {
  const attributes = { path: base === '' ? '/' : base, httpOnly: true, sameSite: 'lax', secure: isHttps } as const
  const prefix = !isHttps ? '' : base === '' ? '__Host-' : '__Secure-'
  return { name: prefix + name + base.replaceAll('/', '-'), attributes }
}

/** Cookie name, as express-session reads it from its options; `key` is its undocumented alias. */
export function sessionName(session: SessionOptions & { readonly key?: string }): string {
  return session.name || session.key || 'connect.sid'
}

/** The secrets, newest first, in the types that express-session accepts. */
export function sessionSecrets({ secret }: SessionOptions): readonly SessionSecret[] {
  if (Array.isArray(secret)) return secret
  return secret === undefined ? [] : [secret]
}

/**
 * Makes a function that reads the session ids of a request like express-session, without its store.
 *
 * express-session considers the first cookie with the session's name only. Cookies of other applications on the host,
 * or with another path, may have that name too, so every cookie with a valid signature is returned, in order.
 *
 * @param session The options that `session()` is mounted with.
 */
export function sessionIdReader(session: SessionOptions): (request: IncomingMessage) => readonly SessionId[] {
  const name = sessionName(session)
  const secrets = sessionSecrets(session)
  // The HMAC is the most expensive computation of a proxied request, and browsers send the same cookie every time.
  const verified = new LRUCache<string, SessionId>({ max: 10_000 })

  function verify(value: string): SessionId | undefined {
    if (value.length > maxCookieLength) return undefined
    const cached = verified.get(value)
    if (cached !== undefined) return cached

    for (const [index, secret] of secrets.entries()) {
      const id = unsign(value.slice(2), secret)
      if (id === false || id === '') continue
      const sessionId = { id, login: loginKey(id), outdated: index > 0 }
      verified.set(value, sessionId)
      return sessionId
    }
    return undefined
  }

  return request => {
    const header = request.headers.cookie
    if (header === undefined || !header.includes(name)) return none
    const ids: SessionId[] = []
    let verifications = 0
    for (const value of cookieValues(header, name)) {
      if (!signed.test(value)) continue
      if (++verifications > maxVerifications) break
      const sessionId = verify(value)
      if (sessionId !== undefined && !ids.some(({ id }) => id === sessionId.id)) ids.push(sessionId)
    }
    return ids
  }
}

const none: readonly SessionId[] = []
const maxCookieLength = 4096
/** Each costs an HMAC per secret, and each valid cookie a read of the login store. */
const maxVerifications = 64
/** An id, and an HMAC with SHA-256 in base64 without padding. */
const signed = /^s:.+\.[A-Za-z0-9+/]{43}$/s

/** The values of all cookies with a name, in order, parsed like the `cookie` package that express-session uses. */
export function cookieValues(header: string, name: string): string[] {
  const values: string[] = []
  for (let start = 0; start < header.length; ) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon === -1 ? header.length : semicolon
    const equals = header.indexOf('=', start)
    if (equals === -1) break
    if (equals < end && trimmed(header.slice(start, equals)) === name)
      values.push(decoded(unquoted(trimmed(header.slice(equals + 1, end)))))
    start = end + 1
  }
  return values
}

function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}

function unquoted(text: string): string {
  return text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * The attributes for a session cookie that is sent or cleared beside express-session, with its values `'auto'` resolved
 * for the request.
 *
 * @param isSecure Whether the request came over https as far as express-session can tell.
 */
export function cookieAttributes(options: CookieOptions, isSecure: boolean): SerializeOptions {
  const { path = '/', httpOnly = true, domain, secure, sameSite, maxAge, expires, partitioned, priority } = options
  // The type of express-session lacks this value of version 1.19.
  const isAuto = (sameSite as unknown) === 'auto'
  const expiry = typeof maxAge === 'number' ? new Date(Date.now() + maxAge) : expires
  return {
    path,
    httpOnly,
    secure: secure === 'auto' ? isSecure : secure === true,
    ...(domain === undefined ? {} : { domain }),
    ...(isAuto ? { sameSite: isSecure ? 'none' : 'lax' } : sameSite === undefined ? {} : { sameSite }),
    ...(expiry ? { expires: expiry } : {}),
    ...(partitioned === undefined ? {} : { partitioned }),
    ...(priority === undefined ? {} : { priority }),
  }
}

/** The cookie options of a request before it has a session. */
export function cookieOptions({ cookie = {} }: SessionOptions, request: Request): CookieOptions {
  return typeof cookie === 'function' ? cookie(request) : { ...cookie, path: cookiePath({ cookie }) }
}

/** Whether express-session takes a request for https. */
export function isSecureRequest(request: Request, { proxy }: SessionOptions): boolean {
  if ('encrypted' in request.socket && request.socket.encrypted === true) return true
  if (proxy === false) return false
  if (proxy !== true) return request.secure === true
  const [protocol = ''] = String(request.headers['x-forwarded-proto'] ?? '').split(',', 1)
  return protocol.trim().toLowerCase() === 'https'
}
