import { isObject, quoted } from 'qlik-oauth/internal'
import { isBelowMount } from '../../http/location/mount.ts'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { configurationError, invalidOption, mountPath, rejectUnknownOptions } from '../../http/options/option-checks.ts'

/** Paths of the routes of the login, below the base path of `publicUrl`. */
export interface RoutePaths {
  /** @default '/auth/login' */
  readonly login: string
  /** The redirect URI is `publicUrl` and this path; with `tenants`, `/{tenant host}` follows. @default '/auth/callback' */
  readonly callback: string
  /** @default '/auth/logout' */
  readonly logout: string
  /** @default '/auth/session' */
  readonly session: string
}

const defaults: RoutePaths = {
  login: '/auth/login',
  callback: '/auth/callback',
  logout: '/auth/logout',
  session: '/auth/session',
}

/**
 * Checks the option `routes` against itself and `mount`.
 *
 * @throws ERR_CONFIGURATION
 */
export function routePaths(options: unknown, mount: string, { base, href }: PublicLocation): RoutePaths {
  if (options !== undefined && !isObject(options))
    throw invalidOption('routes', 'an object such as { login: "/qlik-auth/login" }', options)
  const names = Object.keys(defaults) as (keyof RoutePaths)[]
  rejectUnknownOptions('routes', options ?? {}, names)
  const paths = { ...defaults }
  for (const name of names)
    paths[name] = mountPath(options?.[name] === undefined ? defaults[name] : options[name], `routes.${name}`)

  for (const name of names) {
    const path = paths[name]
    if (base !== '' && isBelowMount(path, base)) {
      throw configurationError(
        `routes.${name} must be a path below publicUrl (${href}), got ${quoted(path)}. Did you mean ${quoted(path.slice(base.length) || '/')}?`,
      )
    }
    if (isBelowMount(path, mount) || isBelowMount(mount, path)) {
      throw configurationError(
        `routes.${name} (${quoted(path)}) and mount (${quoted(mount)}) must not lie below each other.`,
      )
    }
    const other = names.find(one => one !== name && isBelowMount(paths[one].toLowerCase(), path.toLowerCase()))
    if (other !== undefined) {
      throw configurationError(
        `routes.${other} (${quoted(paths[other])}) must not equal routes.${name} (${quoted(path)}) or lie below it.`,
      )
    }
  }
  return paths
}

/** Whether a path of the application is one of the routes, or lies below one. */
export function isRoutePath(path: string, routes: RoutePaths): boolean {
  const [plain = ''] = path.toLowerCase().split(/[?#]/, 1)
  return Object.values(routes).some((route: string) => isBelowMount(plain, route.toLowerCase()))
}
