import type { Request, Response } from 'express'
import { escapeHtml } from 'qlik-oauth/internal'
import { queryParameters } from '../http/location/request-target.ts'
import { isNavigation } from '../http/navigation.ts'
import { sendPage } from '../http/response/html-page.ts'
import type { AuthContext } from './context/auth-context.ts'
import { cookieOptions } from './cookies/session-cookie.ts'

/**
 * Repeats a navigation of another site once, from a page of the application.
 *
 * Browsers withhold a `SameSite=Strict` cookie when another site, such as the tenant, leads to a page, and on every
 * redirect that follows. RFC 6265bis, section 5.2. Nothing of the request is used up before it is repeated.
 *
 * @param fromUser Whether to repeat a navigation without an initiator too. Browsers differ when it was redirected.
 * @returns True when the response was sent.
 */
export function repeatsFromOwnPage(
  { settings: { session }, sessionIds }: AuthContext,
  request: Request,
  response: Response,
  { fromUser }: { fromUser: boolean },
): boolean {
  const { sameSite } = request.session?.cookie ?? cookieOptions(session, request)
  if (sameSite !== true && String(sameSite).toLowerCase() !== 'strict') return false
  const site = request.headers['sec-fetch-site'] ?? 'cross-site'
  const mayLackCookie = site === 'cross-site' || (fromUser && site === 'none')
  const query = queryParameters(request)
  if (!mayLackCookie || query.has(repeatedParameter)) return false
  if (!isNavigation(request) || sessionIds(request).length > 0) return false

  query.append(repeatedParameter, '1')
  // The path is that of the browser, whatever a balancer made of it.
  const href = escapeHtml(`?${query}`)
  sendPage(response, {
    title: 'Logging in',
    head: `<noscript><meta http-equiv="refresh" content="0;url=${href}"></noscript>`,
    body: `<p><a href="${href}">Continue</a></p>`,
    // A refresh would lose the fragment.
    script: 'location.replace(document.links[0].href+location.hash)',
  })
  return true
}

/** Whether the navigation was repeated from a page of the application. */
export function isRepeated(request: Request): boolean {
  return queryParameters(request).has(repeatedParameter)
}

const repeatedParameter = 'repeated'
