import { isBelowMount } from '../../http/location/mount.ts'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { isRoutePath, type RoutePaths } from './route-paths.ts'

/** Where the application lives, and which of its paths belong to the login and to the proxy. */
export interface ReturnScope {
  readonly location: PublicLocation
  readonly routes: RoutePaths
  readonly mount: string
}

/**
 * Decides where the browser goes after login.
 *
 * Only a path on this application is accepted; anything else would make the login route an open redirect. A path that
 * becomes another host when it is decoded again, or that leads back to the login, is refused too; so is a path of
 * the proxy, which refuses the navigations of other sites: they must not arrive there by way of the login.
 *
 * @param candidate With or without the base path of the application.
 * @returns The path as browsers see it, with its query and fragment; `undefined` when `candidate` leads elsewhere.
 */
export function returnPath(candidate: unknown, { location, routes, mount }: ReturnScope): string | undefined {
  if (typeof candidate !== 'string' || candidate.length > longestPath) return undefined
  const isReserved = (path: string): boolean => {
    const own = location.ownPath(path)
    return isRoutePath(own, routes) || isBelowMount(own.toLowerCase().replace('#', '?'), mount.toLowerCase())
  }
  const path = originPath(candidate)
  if (path === undefined || isReserved(path)) return undefined

  // Servers and scripts on the way may decode the path once or twice before the browser follows it.
  let decoded = candidate
  for (let times = 0; times < 2; times++) {
    decoded = percentDecoded(decoded)
    const again = originPath(decoded)
    if (again === undefined || isReserved(again)) return undefined
  }
  return location.publicPath(location.ownPath(path))
}

const ownOrigin = 'http://app.invalid'
const longestPath = 2048

function originPath(text: string): string | undefined {
  // Browsers remove tabs and line feeds from a URL and read a backslash as a slash.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the path must not contain control characters
  if (!/^\/(?![/\\])/.test(text) || /[\u0000-\u001f\u007f\\]/.test(text.split(/[?#]/, 1)[0] ?? '')) return undefined
  if (!URL.canParse(text, ownOrigin)) return undefined

  const url = new URL(text, ownOrigin)
  // '/.//other.example' resolves to a path that itself begins with '//', which browsers read as a host.
  if (url.origin !== ownOrigin || url.pathname.startsWith('//')) return undefined
  return url.pathname + url.search + url.hash
}

function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, bytes => {
    try {
      return decodeURIComponent(bytes)
    } catch {
      return bytes
    }
  })
}
