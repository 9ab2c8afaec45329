import { serialize } from 'cookie'
import type { Request, Response } from 'express'
import { requireSameOrigin } from '../http/same-origin.ts'
import type { AuthContext } from './auth-context.ts'
import { cookieOptions } from './session-cookie.ts'

/**
 * `POST /auth/logout`: ends the login everywhere, revokes its tokens, and destroys the session. Doing it twice is fine.
 */
export async function logoutRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { tenants: sites, sessionId, logins, transactionCookies: browsers, home, session } = context
  // With several public URLs: the tenant's, or else the one that the browser names, since only a page of that origin
  // can make it say so.
  const { publicUrl = '' } =
    sites.of(request) ?? sites.all.find(site => site.publicUrl === request.headers.origin) ?? sites.all[0] ?? {}
  requireSameOrigin(request, publicUrl)
  response.set('cache-control', 'no-store')
  const cookie = sessionId(request)
  if (cookie !== undefined) await logins.end(cookie.login, 'logout')
  // The login is over whatever becomes of the application's own session data.
  if (request.session !== undefined) await new Promise<void>(resolve => request.session.destroy(() => resolve()))

  response.append('set-cookie', serialize(session.name ?? 'connect.sid', '', { ...cookieOptions(session), maxAge: 0 }))
  for (const browser of browsers.all(request)) response.append('set-cookie', browsers.clear(browser))
  if (request.headers['sec-fetch-mode'] === 'navigate' || request.accepts(['json', 'html']) === 'html')
    response.redirect(303, home)
  else response.status(204).end()
}
