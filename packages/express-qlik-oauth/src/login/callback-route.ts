import type { Request, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { validateAuthorizationResponse } from 'qlik-oauth/internal'
import { queryParameters } from '../http/location/request-target.ts'
import { isNavigation, isPrefetch } from '../http/navigation.ts'
import { sessionChange } from './application-session/session-change.ts'
import { createLogin, redeemCode } from './code-exchange.ts'
import type { AuthContext } from './context/auth-context.ts'
import { type AuthorizationState, transactionKey } from './context/authorization-state.ts'
import { loginAddress } from './context/login-address.ts'
import type { TenantConfiguration } from './context/tenant-registry.ts'
import {
  type TransactionCookie,
  transactionCookieHash,
  transactionCookieSeconds,
} from './cookies/transaction-cookie.ts'
import { handOver } from './frame-login.ts'
import { isFramed } from './frames/frame-options.ts'
import { limitLogins, startTransaction } from './login-route.ts'
import { repeatsFromOwnPage } from './strict-cookie.ts'

/**
 * `GET /auth/callback`: validates the authorization response, redeems the code, and gives the browser a session with a
 * new id.
 *
 * @throws ERR_CALLBACK_INVALID, ERR_LOGIN_DENIED, ERR_RATE_LIMIT, ERR_STORE_UNAVAILABLE and the errors of the token
 * endpoint.
 */
export async function callbackRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  // The address holds the authorization code.
  response.set({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  // A HEAD request or a prefetch must not use up the code. RFC 9110, section 9.2.1.
  if (request.method === 'HEAD' || isPrefetch(request)) return void response.status(204).end()
  if (repeatsFromOwnPage(context, request, response, { fromUser: true })) return
  try {
    await callback(context, request, response)
  } catch (error) {
    // A server error says nothing about the request.
    if (error instanceof QlikOAuthError && error.status < 500 && error.code !== 'ERR_RATE_LIMIT')
      context.emit('denied', { code: error.code, message: error.message }, request)
    throw error
  }
}

async function callback(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { states, settings, tenants, transactionCookies } = context
  const parameters = queryParameters(request)
  const text = parameters.getAll('state').length === 1 ? (parameters.get('state') ?? '') : ''
  const state = text.length > maxStateLength ? undefined : states.unseal(text)
  if (state?.windowHash !== undefined && !isFramed(request))
    return await handOver(context, request, response, { state, tenant: tenantOfPath(context, request) })
  const cookie = state === undefined ? undefined : boundCookie(context, request, state)
  if (state === undefined || cookie === undefined) return await refuseOrGoHome(context, request, response)

  const transaction = await settings.store.takeTransaction(transactionKey(text))
  if (transaction === undefined) return await restart(context, request, response, state)

  const tenant = tenants.ofRecord(transaction)
  if (
    tenant === undefined ||
    tenant.redirectUri !== transaction.redirectUri ||
    tenant.callbackPath !== callbackPathOf(context, request)
  ) {
    // Each tenant has its own redirect URI, so that a response of one is refused for a transaction with another.
    throw new QlikOAuthError('ERR_CALLBACK_INVALID', 'The authorization response belongs to another tenant or client')
  }
  const code = await validateAuthorizationResponse(tenant.client, parameters, text)
  const change = await sessionChange({
    request,
    isStored: context.sessionIds(request).some(({ id }) => id === request.sessionID),
    store: settings.store,
  })
  await createLogin(context, request, tenant, await redeemCode(context, request, tenant, code, transaction), change)

  response.append('set-cookie', transactionCookies.set({ ...cookie, completed: Math.floor(Date.now() / 1000) }))
  response.redirect(302, transaction.returnTo || tenant.location.publicPath(settings.home))
}

const maxStateLength = 4096

function callbackPathOf({ tenants }: AuthContext, request: Request): string {
  const [path = ''] = tenants.locationOf(request).pathOf(request).split('?', 1)
  return path
}

/** Tabs that start a login before the browser has a transaction cookie get one each, so all of them count. */
function boundCookie(
  { transactionCookies }: AuthContext,
  request: Request,
  { cookieHash }: AuthorizationState,
): TransactionCookie | undefined {
  return transactionCookies.all(request).find(cookie => transactionCookieHash(cookie) === cookieHash)
}

/** The response belongs to no transaction of this browser. No code is redeemed and nothing is written. */
async function refuseOrGoHome({ peekLogin, settings, tenants }: AuthContext, request: Request, response: Response) {
  if ((await peekLogin(request)) !== undefined)
    return response.redirect(302, tenants.locationOf(request).publicPath(settings.home))
  throw new QlikOAuthError(
    'ERR_CALLBACK_INVALID',
    'The authorization transaction is unknown, was already used, or was started in another browser',
  )
}

/**
 * The transaction was used, has expired, or was lost with the store. A user who is logged in goes home; otherwise the
 * browser that started it may start again, once per `state`.
 */
async function restart(
  context: AuthContext,
  request: Request,
  response: Response,
  { id, returnTo, restarts, issuedAt, windowHash }: AuthorizationState,
): Promise<void> {
  const { settings } = context
  const tenant = tenantOfPath(context, request)
  const mayRestart =
    restarts === 0 &&
    tenant !== undefined &&
    isNavigation(request) &&
    request.originalUrl.includes('code=') &&
    Date.now() / 1000 - issuedAt < transactionCookieSeconds
  if (!mayRestart || (await context.peekLogin(request)) !== undefined)
    return await refuseOrGoHome(context, request, response)

  // The tenant's login page refuses frames: this route shows the page of the frame again.
  if (windowHash !== undefined) return response.redirect(302, loginAddress(context, request, returnTo))
  await limitLogins(context, request)
  // The counter lives as long as the transaction cookie, without which the state is refused.
  if ((await settings.store.increment(transactionKey(`restart ${id}`), transactionCookieSeconds)) > 1)
    return await refuseOrGoHome(context, request, response)
  await startTransaction(context, request, response, tenant, { returnTo, restarts: restarts + 1 })
}

function tenantOfPath(context: AuthContext, request: Request): TenantConfiguration | undefined {
  const { tenants } = context
  const path = callbackPathOf(context, request)
  return tenants.ofRequest(request) ?? tenants.all.find(({ callbackPath }) => callbackPath === path)
}
