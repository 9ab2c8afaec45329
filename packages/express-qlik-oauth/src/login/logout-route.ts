import type { Request, Response } from 'express'
import { escapeHtml } from 'qlik-oauth/internal'
import { sendPage } from '../http/response/html-page.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import type { AuthContext } from './context/auth-context.ts'
import { expiredSessionCookie } from './session-recovery.ts'

/**
 * `POST /auth/logout`: ends the login everywhere, revokes its tokens and destroys the session. A second logout succeeds
 * too.
 *
 * @throws ERR_CROSS_SITE, ERR_STORE_UNAVAILABLE
 */
export async function logoutRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { tenants, sessionIds, logins, transactionCookies, settings } = context
  // With several public URLs and no tenant in the request, the Origin header names the host: only a page of that origin
  // can send it.
  const { location = settings.location } =
    tenants.ofRequest(request) ??
    tenants.all.find(tenant => tenant.location.origin === request.headers.origin) ??
    tenants.all[0] ??
    {}
  requireSameOrigin(request, location.origin)
  response.set('cache-control', 'no-store')
  const { tenant, keepsSession, returnTo } = settings.logout
  const isPath = returnTo.startsWith('/')
  const destination = isPath ? location.publicPath(returnTo) : returnTo
  const cookie = expiredSessionCookie(context, request)
  const logoutUrl = tenant
    ? await tenantLogoutUrl(context, request, isPath ? location.url(returnTo) : returnTo)
    : undefined
  const ids = sessionIds(request)
  for (const { login } of ids) await logins.end(login, 'logout', request)
  if (!keepsSession) {
    await dropSession(
      request,
      ids.some(({ id }) => id === request.sessionID),
    )
    response.append('set-cookie', cookie)
  }
  for (const transaction of transactionCookies.all(request))
    response.append('set-cookie', transactionCookies.clear(transaction))
  if (request.headers['sec-fetch-mode'] === 'navigate' || request.accepts(['json', 'html']) === 'html')
    leave(response, logoutUrl ?? destination)
  else if (logoutUrl !== undefined) response.json({ location: logoutUrl })
  else response.status(204).end()
}

/**
 * Sends the browser on after the form. The policy `form-action 'self'`, which helmet sets on pages, also forbids
 * redirects of a form to another origin, so a page leads there.
 */
function leave(response: Response, target: string): void {
  if (target.startsWith('/')) {
    response.redirect(303, target)
    return
  }
  const url = escapeHtml(target)
  sendPage(response, {
    title: 'Logging out',
    head: `<meta http-equiv="refresh" content="0;url=${url}">`,
    body: `<p>You are logged out. <a href="${url}">Continue</a></p>`,
  })
}

/** A session that began with this request is not stored, so that logouts without a session cost the stores nothing. */
async function dropSession(request: Request, isStored: boolean): Promise<void> {
  if (request.session === undefined) return
  if (!isStored) Reflect.deleteProperty(request, 'session')
  // The login has ended; losing the application's own session data is not worth an error.
  else await new Promise<void>(resolve => request.session.destroy(() => resolve()))
}

/**
 * The address that ends the user's login at the tenant. Qlik's SDK navigates to it; that it returns to `returnto` for
 * clients of OAuth too is not confirmed.
 */
async function tenantLogoutUrl(context: AuthContext, request: Request, returnTo: string): Promise<string | undefined> {
  const login = await context.peekLogin(request)
  const tenant = login?.tenant ?? context.tenants.ofRequest(request)?.client.tenant
  return tenant === undefined ? undefined : `${tenant}/logout?returnto=${encodeURIComponent(returnTo)}`
}
