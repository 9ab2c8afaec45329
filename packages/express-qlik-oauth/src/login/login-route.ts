import type { Request, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { createAuthorizationRequest } from 'qlik-oauth/internal'
import { clientNetwork } from '../http/clients/client-address.ts'
import { queryParameters } from '../http/location/request-target.ts'
import { isPrefetch } from '../http/navigation.ts'
import { configurationError } from '../http/options/option-checks.ts'
import { httpError } from '../http/response/error-response.ts'
import { missingSession } from './application-session/session-change.ts'
import type { AuthContext } from './context/auth-context.ts'
import { transactionKey } from './context/authorization-state.ts'
import { requestedPath, returnAddress } from './context/login-address.ts'
import type { TenantConfiguration } from './context/tenant-registry.ts'
import { cookieAttributes, cookieOptions, isSecureRequest } from './cookies/session-cookie.ts'
import { type TransactionCookie, transactionCookieHash } from './cookies/transaction-cookie.ts'
import { frameOf, keepOpener } from './frames/frame-options.ts'
import { authorizationParameters } from './hooks/authorization-params.ts'
import { redirectsToOwnHost } from './own-host.ts'
import { clearInvalidCookie } from './session-recovery.ts'
import { isRepeated, repeatsFromOwnPage } from './strict-cookie.ts'

/**
 * `GET /auth/login?returnTo=/path`: starts a login and redirects to the tenant.
 *
 * @throws ERR_CROSS_SITE, ERR_REQUEST_INVALID, ERR_RATE_LIMIT, ERR_LOGIN_LOOP, ERR_CONFIGURATION, ERR_STORE_UNAVAILABLE
 */
export async function loginRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  response.set('cache-control', 'no-store')
  if (isPrefetch(request)) return void response.status(204).end()
  // A link on another site may start a login; an image or a script there may not.
  if (request.headers['sec-fetch-site'] === 'cross-site' && request.headers['sec-fetch-mode'] !== 'navigate')
    throw httpError('ERR_CROSS_SITE', 'A login starts with a navigation to this address.')
  if (redirectsToOwnHost(context, request, response)) return
  if (repeatsFromOwnPage(context, request, response, { fromUser: false })) return
  const parameters = queryParameters(request)
  const tenant = context.tenants.ofRequest(request)
  if (tenant === undefined) throw httpError('ERR_REQUEST_INVALID', 'The request names no known tenant to log in at.')

  const returnTo = requestedPath(context, parameters, tenant.location)
  // The guard that redirected here saw a request without its Strict cookie.
  if (isRepeated(request) && (await context.peekLogin(request)) !== undefined)
    return response.redirect(302, returnAddress(context, request, returnTo))

  const frame = context.settings.frames === undefined ? undefined : frameOf(request, parameters)
  clearInvalidCookie(context, request, response)
  refuseInsecure(context, request)
  if (request.session !== undefined && request.sessionStore === undefined) throw missingSession(request)
  await limitLogins(context, request)
  await startTransaction(context, request, response, tenant, {
    returnTo,
    restarts: 0,
    ...(frame === undefined ? {} : { frame }),
    query: parameters,
  })
}

/** Writes the authorization transaction, binds it to the browser, and redirects to the authorization endpoint. */
export async function startTransaction(
  context: AuthContext,
  request: Request,
  response: Response,
  { client, redirectUri }: TenantConfiguration,
  { returnTo, restarts, frame, query }: LoginStart,
): Promise<void> {
  const { settings, states, transactionCookies } = context
  const parameters = await authorizationParameters(settings, request, query)
  const cookie = await bindingCookie(context, request)
  const ownHash = transactionCookieHash(cookie)
  const cookieHash = frame ?? ownHash
  const windowHash = frame === undefined ? {} : { windowHash: ownHash }
  const state = states.seal({ returnTo, cookieHash, restarts, ...windowHash })
  const { url, codeVerifier } = await createAuthorizationRequest(client, { redirectUri, state, parameters })
  const transaction = {
    tenant: client.tenant,
    clientId: client.clientId,
    codeVerifier,
    redirectUri,
    returnTo,
    cookieHash,
  }
  await settings.store.saveTransaction(transactionKey(state), transaction, transactionSeconds)

  if (frame !== undefined) keepOpener(response)
  response.append('set-cookie', transactionCookies.set(cookie))
  response.redirect(302, url)
}

interface LoginStart {
  readonly returnTo: string
  readonly restarts: number
  /** Hash of the transaction cookie of the frame that the login belongs to. */
  readonly frame?: string
  /** Query of the login route. */
  readonly query?: URLSearchParams
}

/** The cookie that binds the transaction to the browser. */
async function bindingCookie(
  { transactionCookies, peekLogin }: AuthContext,
  request: Request,
): Promise<TransactionCookie> {
  const previous = transactionCookies.all(request)[0] ?? transactionCookies.create()
  // A logged-in user who logs in again, perhaps as another user, is not in a loop.
  const isLoggedIn = (await peekLogin(request).catch(isUnreadable)) !== undefined
  return isLoggedIn ? { ...previous, loops: 0, completed: 0 } : countLoop(previous)
}

/** A login that cannot be read, such as one sealed with an unknown key, must not prevent a new one. */
function isUnreadable(): undefined {}

const transactionSeconds = 600

/**
 * A login that starts right after a completed one was not kept: the browser refuses the session cookie, or the
 * application asks for another login. After a few rounds an error explains it instead of another redirect.
 *
 * @throws ERR_LOGIN_LOOP
 */
export function countLoop(cookie: TransactionCookie): TransactionCookie {
  const loops = Date.now() / 1000 - cookie.completed < loopSeconds ? cookie.loops + 1 : 0
  if (loops < maxLoops) return { ...cookie, loops, completed: 0 }
  throw new QlikOAuthError(
    'ERR_LOGIN_LOOP',
    'The login was completed several times in a row, and each time the application asked for it again. The session cookie does not come back: ' +
      'check that publicUrl is the address in the browser, that "trust proxy" is set behind a TLS balancer, and that the browser accepts cookies.',
  )
}

const loopSeconds = 20
const maxLoops = 4

/**
 * express-session sends a Secure cookie over https only. Behind a load balancer that terminates TLS, it must trust the
 * proxy, or no login is kept.
 */
function refuseInsecure({ settings: { session }, emit }: AuthContext, request: Request): void {
  if (isSecureRequest(request, session)) return
  const options = cookieOptions(session, request)
  const { sameSite, partitioned } = cookieAttributes(options, false)
  // With "auto" the cookie would lack Secure, which browsers demand for these.
  const needsSecure = partitioned === true || String(sameSite).toLowerCase() === 'none'
  if (options.secure !== true && !needsSecure) return
  const message =
    'The session cookie is Secure, but Express received this request over http. ' +
    "Behind a load balancer that terminates TLS, set app.set('trust proxy', 1) (TRUST_PROXY=1 in the demo)."
  emit('warning', { code: 'ERR_CONFIGURATION', message }, request)
  throw configurationError(message)
}

/**
 * Counts the unauthenticated requests that write: logins, and stale callbacks that start one again.
 *
 * @throws ERR_RATE_LIMIT
 */
export async function limitLogins({ settings, emit }: AuthContext, request: Request): Promise<void> {
  const { store, loginRateLimit } = settings
  if (loginRateLimit === 0) return
  const key = transactionKey(`login rate ${clientNetwork(request.ip)}`)
  if ((await store.increment(key, rateWindowSeconds)) <= loginRateLimit) return
  const message = 'Too many logins were started from one client network'
  emit('denied', { code: 'ERR_RATE_LIMIT', message }, request)
  throw new QlikOAuthError('ERR_RATE_LIMIT', `More than ${loginRateLimit} logins were started within a minute`, {
    retryAfterSeconds: rateWindowSeconds,
  })
}

const rateWindowSeconds = 60
