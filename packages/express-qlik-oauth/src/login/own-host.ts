import type { Request, Response } from 'express'
import { isLoopback } from 'qlik-oauth/internal'
import { queryParameters } from '../http/location/request-target.ts'
import { isNavigation } from '../http/navigation.ts'
import type { AuthContext } from './context/auth-context.ts'

/**
 * Sends a login that was opened under another name of this server, such as 127.0.0.1 for localhost, to the host of
 * `publicUrl`. The tenant leads back there, where the browser would not send the cookie of this login.
 *
 * The Host header decides nothing else. A balancer may have replaced it, so the browser is sent once.
 *
 * @returns True when the response was sent.
 */
export function redirectsToOwnHost({ tenants, settings }: AuthContext, request: Request, response: Response): boolean {
  const location = tenants.locationOf(request)
  const query = queryParameters(request)
  const own = new URL(location.origin).hostname
  // Express 4 and 5 differ for a request without Host.
  const opened = String(request.hostname ?? own).toLowerCase()
  if (!isNavigation(request) || query.has(sentParameter) || opened === own) return false
  // A balancer or tunnel on this machine.
  if (isLoopback(opened) && !isLoopback(own)) return false
  query.append(sentParameter, '1')
  response.redirect(302, `${location.url(settings.routes.login)}?${query}`)
  return true
}

const sentParameter = 'sent'
