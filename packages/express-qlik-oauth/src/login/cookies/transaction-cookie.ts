import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parse, type SerializeOptions, serialize } from 'cookie'
import type { SessionOptions } from 'express-session'
import { sha256 } from 'qlik-oauth/internal'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { hostCookie } from './session-cookie.ts'

/**
 * Binds authorization transactions to the browser that started them.
 *
 * All tabs share one cookie. Tabs that start at the same moment, before the browser has a cookie, get one each; all of
 * them are valid. `completed` and `loops` count logins that start right after a completed one.
 */
export interface TransactionCookie {
  readonly name: string
  readonly secret: string
  readonly loops: number
  /** Seconds since the epoch at which a login was last completed; 0 for none. */
  readonly completed: number
}

export interface TransactionCookies {
  all(request: IncomingMessage): readonly TransactionCookie[]
  create(): TransactionCookie
  /** @returns A value for `Set-Cookie`. */
  set(cookie: TransactionCookie): string
  /** @returns A value for `Set-Cookie` that removes the cookie. */
  clear(cookie: TransactionCookie): string
}

/**
 * @param settings In a frame, browsers send a cookie of another site only with the attributes that the session's cookie
 * needs there too.
 */
export function transactionCookies(
  location: PublicLocation,
  settings: { readonly session?: SessionOptions; readonly frames?: object | undefined } = {},
): TransactionCookies {
  const { name: ownName, attributes: own } = hostCookie(location, 'qlik-login')
  // Cookies know no ports: applications on one host leave each other's logins in progress alone.
  const { port } = new URL(location.href)
  const prefix = port === '' ? `${ownName}-` : `${ownName}-${port}-`
  const attributes: SerializeOptions = { ...own, ...(own.secure ? crossSite(settings) : {}) }

  return {
    all(request) {
      const cookies = Object.entries(parse(request.headers.cookie ?? ''))
      return cookies.flatMap(([name, value]) => (isOwn(name, prefix) ? (parsed(name, value) ?? []) : []))
    },
    create: () => ({
      name: prefix + randomBytes(4).toString('hex'),
      secret: randomBytes(16).toString('base64url'),
      loops: 0,
      completed: 0,
    }),
    set: ({ name, secret, loops, completed }) =>
      serialize(name, `${secret}.${loops}.${completed}`, { ...attributes, maxAge: transactionCookieSeconds }),
    clear: ({ name }) => serialize(name, '', { ...attributes, maxAge: 0 }),
  }
}

/** `SameSite=None` and `Partitioned`, if the session's cookie has them. A function is called with a request only: then `frames` decides. */
function crossSite({ session, frames }: Parameters<typeof transactionCookies>[1] & object): SerializeOptions {
  const { cookie = {} } = session ?? {}
  if (typeof cookie === 'function') return frames === undefined ? {} : { sameSite: 'none', partitioned: true }
  const { sameSite, partitioned } = cookie
  const isNone = ['none', 'auto'].includes(String(sameSite).toLowerCase())
  return { ...(isNone ? { sameSite: 'none' } : {}), ...(partitioned === true ? { partitioned } : {}) }
}

/** Longer than a transaction, so that a user who takes too long at the tenant starts again instead of failing. */
export const transactionCookieSeconds = 24 * 60 * 60

/** Stands in the transaction and in `state` for the cookie's secret. */
export function transactionCookieHash(cookie: TransactionCookie): string {
  return sha256(cookie.secret)
}

function isOwn(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && /^[\da-f]{8}$/.test(name.slice(prefix.length))
}

function parsed(name: string, value: string | undefined): TransactionCookie | undefined {
  const [, secret, loops, completed] = /^([A-Za-z0-9_-]{22})\.(\d{1,3})\.(\d{1,12})$/.exec(value ?? '') ?? []
  return secret === undefined ? undefined : { name, secret, loops: Number(loops), completed: Number(completed) }
}
