import { serialize } from 'cookie'
import type { CookieOptions, SessionOptions } from 'express-session'
import { isObject, messageOf, quoted } from 'qlik-oauth/internal'
import { isBelowMount } from '../../http/location/mount.ts'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { configurationError, invalidOption } from '../../http/options/option-checks.ts'
import { cookieAttributes, sessionName } from './session-cookie.ts'
import { cookiePath } from './session-cookie-path.ts'

/**
 * Refuses session cookies that browsers do not keep, or do not send to every path of the application. A cookie that is
 * a function of the request is checked at the request.
 *
 * @throws ERR_CONFIGURATION
 */
export function checkSessionCookie(session: SessionOptions, location: PublicLocation): void {
  const { cookie } = session
  if (cookie === undefined || typeof cookie === 'function') return
  if (!isObject(cookie)) throw invalidOption('session.cookie', 'an object with cookie options, or a function', cookie)
  const options: CookieOptions = cookie
  const { base, href, isHttps } = location
  const name = sessionName(session)
  const { httpOnly, partitioned, encode } = options
  const path: unknown = cookiePath(session)
  if (path !== '/' && !(typeof path === 'string' && isBelowMount(base, path))) {
    throw configurationError(
      `session.cookie.path must be ${base === '' ? '' : `${quoted(base)} or `}"/", got ${quoted(path)}: the browser would not send the cookie to all paths below publicUrl.`,
    )
  }
  if (/^__Host-/i.test(name) && path !== '/')
    throw configurationError(`The name ${name} needs session.cookie.path "/", or browsers refuse the cookie.`)
  for (const [option, value] of Object.entries({ httpOnly, partitioned })) {
    if (value !== undefined && typeof value !== 'boolean')
      throw invalidOption(`session.cookie.${option}`, 'true or false', value)
  }
  if (encode !== undefined && typeof encode !== 'function')
    throw invalidOption('session.cookie.encode', 'a function', encode)
  checkSecurity(options, name, location)
  checkDomain(options.domain, new URL(href).hostname)
  checkExpiry(options)
  try {
    serialize(name, 'value', cookieAttributes(options, isHttps))
  } catch (error) {
    throw configurationError(`session.cookie is invalid: ${messageOf(error)}.`)
  }
}

/** RFC 6265bis, sections 5.6 and 5.7: what needs `Secure`, and what a name promises. Names are compared in any case. */
function checkSecurity(options: CookieOptions, name: string, { href, isHttps }: PublicLocation): void {
  const { secure, domain, partitioned } = options
  const sameSite = typeof options.sameSite === 'string' ? options.sameSite.toLowerCase() : options.sameSite
  if (secure === true && !isHttps) {
    throw configurationError(
      `session.cookie.secure needs an https publicUrl, got ${quoted(href)}: use sessionCookie(publicUrl), or secure: "auto".`,
    )
  }
  if (secure !== undefined && typeof secure !== 'boolean' && secure !== 'auto')
    throw invalidOption('session.cookie.secure', 'true, false or "auto"', secure)
  const isSecure = secure === true || (secure === 'auto' && isHttps)
  const received = secure === 'auto' ? `, got "auto" with the publicUrl ${quoted(href)}` : ''
  // express-session makes "auto" to "none" for requests over https.
  if ((sameSite === 'none' || (sameSite === 'auto' && isHttps)) && !isSecure)
    throw configurationError(
      `session.cookie.sameSite ${quoted(sameSite)} needs secure: true, or browsers refuse the cookie${received}.`,
    )
  if (partitioned === true && !isSecure)
    throw configurationError(`session.cookie.partitioned needs secure: true, or browsers refuse the cookie${received}.`)
  if (/^__(?:Host|Secure)-/i.test(name) && secure !== true)
    throw configurationError(`The name ${name} needs session.cookie.secure: true, or browsers refuse the cookie.`)
  if (/^__Host-/i.test(name) && domain !== undefined)
    throw configurationError(`The name ${name} allows no session.cookie.domain, or browsers refuse the cookie.`)
}

/** RFC 6265, section 5.3: browsers refuse a cookie whose domain does not cover the host that sets it. */
function checkDomain(domain: unknown, host: string): void {
  if (domain === undefined) return
  if (typeof domain !== 'string') throw invalidOption('session.cookie.domain', 'a domain name', domain)
  const covered = domain.replace(/^\./, '').toLowerCase()
  const isCovered = host === covered || (host.endsWith(`.${covered}`) && covered !== '' && !isAddress.test(host))
  if (isCovered) return
  throw configurationError(
    `session.cookie.domain must be the host of publicUrl, ${quoted(host)}, or a domain above it, got ${quoted(domain)}: browsers refuse the cookie.`,
  )
}

const isAddress = /^[\d.]+$|^\[/

function checkExpiry({ maxAge, expires }: CookieOptions): void {
  if (maxAge !== undefined && maxAge !== null && !(typeof maxAge === 'number' && maxAge > 0))
    throw invalidOption('session.cookie.maxAge', 'a number of milliseconds above 0', maxAge)
  if (expires instanceof Date && !(expires.getTime() > Date.now()))
    throw invalidOption('session.cookie.expires', 'a date in the future; use maxAge for a duration', expires)
}
