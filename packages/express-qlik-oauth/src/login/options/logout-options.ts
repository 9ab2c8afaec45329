import { isLoopback, isObject } from 'qlik-oauth/internal'
import { invalidOption, rejectUnknownOptions } from '../../http/options/option-checks.ts'
import { type ReturnScope, returnPath } from './return-path.ts'

/** What happens at `POST /auth/logout` beside the end of the login. */
export interface LogoutOptions {
  /**
   * Sends the browser through the logout page of the tenant, which ends the user's login there; otherwise the next login
   * may need no question. Scripts get 200 and `{"location"}` to navigate to, instead of 204. That the page returns to
   * the application is known from Qlik's SDK and not confirmed.
   *
   * @default false
   */
  readonly tenant?: boolean
  /** Where the browser ends up: a path on this application, or an absolute URL. @default `home` */
  readonly returnTo?: string
  /** What becomes of the application's session: `'keep'` leaves the user logged in to the application. @default 'destroy' */
  readonly session?: 'destroy' | 'keep'
}

export interface LogoutSettings {
  readonly tenant: boolean
  /** Absolute, or below the base path of the application. */
  readonly returnTo: string
  readonly keepsSession: boolean
}

/** @throws ERR_CONFIGURATION */
export function logoutSettings(options: unknown = {}, home: string, scope: ReturnScope): LogoutSettings {
  if (!isObject(options)) throw invalidOption('logout', 'an object with options', options)
  rejectUnknownOptions('logout', options, ['tenant', 'returnTo', 'session'])
  const { tenant = false, returnTo = home, session = 'destroy' } = options
  if (typeof tenant !== 'boolean') throw invalidOption('logout.tenant', 'true or false', tenant)
  if (session !== 'destroy' && session !== 'keep') throw invalidOption('logout.session', '"destroy" or "keep"', session)
  const address = typeof returnTo === 'string' ? logoutAddress(returnTo, scope) : undefined
  if (address === undefined)
    throw invalidOption('logout.returnTo', 'a path such as "/goodbye", or an https URL', returnTo)
  return { tenant, returnTo: address, keepsSession: session === 'keep' }
}

/** A path below the base path of the application, or an absolute URL. */
function logoutAddress(address: string, scope: ReturnScope): string | undefined {
  const { location } = scope
  if (address.startsWith('/')) {
    const path = location.ownPath(address)
    return returnPath(path, scope) === location.publicPath(path) ? path : undefined
  }
  if (!URL.canParse(address)) return undefined
  const { href, protocol, hostname } = new URL(address)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)) ? href : undefined
}
