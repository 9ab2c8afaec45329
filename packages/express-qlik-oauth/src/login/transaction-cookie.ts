import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parse, serialize } from 'cookie'

/**
 * What binds login attempts to the browser that started them.
 *
 * All tabs share one cookie. Tabs that start at the very same moment, before any cookie is there, get one each; every
 * one of them counts, and the next attempt uses one that is there. `completed` and `loops` count logins that followed
 * right upon a completed one.
 */
export interface TransactionCookie {
  readonly name: string
  readonly secret: string
  readonly loops: number
  /** Seconds since the epoch of the last completed login; 0 for none. */
  readonly completed: number
}

export interface TransactionCookies {
  all(request: IncomingMessage): readonly TransactionCookie[]
  fresh(): TransactionCookie
  /** A value for `Set-Cookie`. */
  set(cookie: TransactionCookie): string
  clear(cookie: TransactionCookie): string
}

export function transactionCookies(publicUrl: string): TransactionCookies {
  const secure = publicUrl.startsWith('https:')
  const prefix = secure ? '__Host-qlik-login-' : 'qlik-login-'
  const options = { path: '/', httpOnly: true, sameSite: 'lax', secure } as const

  return {
    all(request) {
      const cookies = Object.entries(parse(request.headers.cookie ?? ''))
      return cookies.flatMap(([name, value]) => (name.startsWith(prefix) ? (parsed(name, value) ?? []) : []))
    },
    fresh: () => ({
      name: prefix + randomBytes(4).toString('hex'),
      secret: randomBytes(16).toString('base64url'),
      loops: 0,
      completed: 0,
    }),
    // It outlives the attempt: a person who comes back to the tenant's login page later is sent through a new attempt,
    // not to an error.
    set: ({ name, secret, loops, completed }) =>
      serialize(name, `${secret}.${loops}.${completed}`, { ...options, maxAge: 24 * 60 * 60 }),
    clear: ({ name }) => serialize(name, '', { ...options, maxAge: 0 }),
  }
}

/** What stands in the attempt instead of the cookie. */
export function transactionCookieHash(cookie: TransactionCookie): string {
  return createHash('sha256').update(cookie.secret).digest('base64url')
}

function parsed(name: string, value: string | undefined): TransactionCookie | undefined {
  const [, secret, loops, completed] = /^([A-Za-z0-9_-]{22})\.(\d{1,3})\.(\d{1,12})$/.exec(value ?? '') ?? []
  return secret === undefined ? undefined : { name, secret, loops: Number(loops), completed: Number(completed) }
}
