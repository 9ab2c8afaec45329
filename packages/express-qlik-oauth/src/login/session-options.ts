import { KeyObject } from 'node:crypto'
import { serialize } from 'cookie'
import type { CookieOptions, SessionOptions, Store } from 'express-session'
import { hasMethods, isObject, messageOf, quoted } from 'qlik-oauth/internal'
import { isBelowMount } from '../http/mount.ts'
import { configurationError, invalidOption } from '../http/option-checks.ts'
import type { PublicLocation } from '../http/public-location.ts'
import { cookieAttributes, type SessionSecret, sessionName, sessionSecrets } from './session-cookie.ts'

/**
 * Checks the options that `session()` is mounted with.
 *
 * @throws ERR_CONFIGURATION
 */
export function checkedSession(
  session: unknown,
  location: PublicLocation,
): { sessionStore: Store; secrets: readonly SessionSecret[] } {
  if (!isObject(session)) throw invalidOption('session', 'the options that session() is mounted with', session)
  const { store } = session as Partial<SessionOptions>
  const name: unknown = sessionName(session as unknown as SessionOptions)
  if (!hasMethods(store, ['get', 'set', 'destroy', 'createSession', 'regenerate'])) {
    const received = isObject(store) ? 'an object that is not an express-session store' : quoted(store)
    throw configurationError(
      `session.store must be the store that session() is mounted with, such as new RedisStore({ client: redis }), got ${received}.`,
    )
  }
  if (typeof name !== 'string' || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name))
    throw invalidOption('session.name', 'a cookie name', name)
  checkCookie(session as unknown as SessionOptions, location)
  return { sessionStore: store as unknown as Store, secrets: checkedSecrets(session as unknown as SessionOptions) }
}

/** Values are never quoted here: they are secret. */
function checkedSecrets(session: SessionOptions): readonly SessionSecret[] {
  const secrets = sessionSecrets(session)
  if (secrets.length === 0) throw configurationError('session.secret must hold at least one secret.')
  for (const secret of secrets) {
    const bytes = secretBytes(secret)
    if (bytes === undefined)
      throw configurationError(
        `session.secret must be a string, Buffer, typed array or secret KeyObject, or a list of them, got ${typeOf(secret)}.`,
      )
    if (bytes < 16) throw configurationError('session.secret must be at least 16 characters long.')
  }
  return secrets
}

function secretBytes(secret: unknown): number | undefined {
  if (typeof secret === 'string') return secret.length
  if (secret instanceof KeyObject) return secret.type === 'secret' ? secret.symmetricKeySize : undefined
  return ArrayBuffer.isView(secret) ? secret.byteLength : undefined
}

/** A cookie that is a function of the request is checked at the request. */
function checkCookie(session: SessionOptions, { base, href, isHttps }: PublicLocation): void {
  const { cookie } = session
  const name = sessionName(session)
  if (cookie === undefined || typeof cookie === 'function') return
  if (!isObject(cookie)) throw invalidOption('session.cookie', 'an object with cookie options, or a function', cookie)
  const { path = '/', secure, sameSite: givenSameSite, domain, maxAge, partitioned } = cookie as CookieOptions
  const sameSite = typeof givenSameSite === 'string' ? givenSameSite.toLowerCase() : givenSameSite
  if (path !== '/' && !(typeof path === 'string' && isBelowMount(base, path))) {
    throw configurationError(
      `session.cookie.path must be ${base === '' ? '' : `${quoted(base)} or `}"/", got ${quoted(path)}: the browser would not send the cookie to all paths below publicUrl.`,
    )
  }
  if (secure === true && !isHttps) {
    throw configurationError(
      `session.cookie.secure needs an https publicUrl, got ${quoted(href)}: use sessionCookie(publicUrl), or secure: "auto".`,
    )
  }
  if (secure !== undefined && typeof secure !== 'boolean' && secure !== 'auto')
    throw invalidOption('session.cookie.secure', 'true, false or "auto"', secure)
  const isSecure = secure === true || secure === 'auto'
  if (sameSite === 'none' && !isSecure)
    throw configurationError('session.cookie.sameSite "none" needs secure: true, or browsers refuse the cookie.')
  if (partitioned === true && !isSecure)
    throw configurationError('session.cookie.partitioned needs secure: true, or browsers refuse the cookie.')
  if (typeof maxAge === 'number' && !(maxAge > 0))
    throw invalidOption('session.cookie.maxAge', 'a number of milliseconds above 0', maxAge)
  if (/^__(?:Host|Secure)-/.test(name) && secure !== true)
    throw configurationError(`The name ${name} needs session.cookie.secure: true, or browsers refuse the cookie.`)
  if (name.startsWith('__Host-') && domain !== undefined)
    throw configurationError(`The name ${name} allows no session.cookie.domain, or browsers refuse the cookie.`)
  if (name.startsWith('__Host-') && path !== '/')
    throw configurationError(`The name ${name} needs session.cookie.path "/", or browsers refuse the cookie.`)
  try {
    serialize(name, 'value', cookieAttributes(cookie, isHttps))
  } catch (error) {
    throw configurationError(`session.cookie is invalid: ${messageOf(error)}.`)
  }
}

function typeOf(value: unknown): string {
  if (value instanceof KeyObject) return `a ${value.type} key`
  return value === null ? 'null' : typeof value
}
