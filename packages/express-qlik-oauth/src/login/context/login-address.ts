import type { Request } from 'express'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { returnPath } from '../options/return-path.ts'
import type { AuthContext } from './auth-context.ts'

/**
 * The address that starts a login and comes back to `returnTo`.
 *
 * Absolute: a login that begins under another name of this server ends where the browser sends its cookies.
 *
 * @param returnTo A path as browsers see it; empty for `home`.
 */
export function loginAddress({ tenants, settings }: AuthContext, request: Request, returnTo: string): string {
  const address = tenants.locationOf(request).url(settings.routes.login)
  return returnTo === '' ? address : `${address}?returnTo=${encodeURIComponent(returnTo)}`
}

/** The return path that a request for a login names, as browsers see it; empty for `home`. */
export function requestedPath({ settings }: AuthContext, query: URLSearchParams, location: PublicLocation): string {
  const candidates = query.getAll('returnTo')
  const { routes, mount } = settings
  return (candidates.length === 1 ? returnPath(candidates[0], { location, routes, mount }) : undefined) ?? ''
}

/** The absolute address of a return path. */
export function returnAddress({ tenants, settings }: AuthContext, request: Request, returnTo: string): string {
  const location = tenants.locationOf(request)
  return location.origin + (returnTo || location.publicPath(settings.home))
}
