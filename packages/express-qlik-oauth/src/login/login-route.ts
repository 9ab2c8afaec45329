import type { Request, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { createAuthorizationRequest } from 'qlik-oauth/internal'
import { httpError } from '../http/http-error.ts'
import { isPrefetch } from '../http/navigation.ts'
import type { AuthContext } from './auth-context.ts'
import { transactionKey } from './login-state.ts'
import { returnPath } from './return-path.ts'
import { clearInvalidCookie } from './session-life.ts'
import { configuration, type TenantConfiguration } from './tenant-registry.ts'
import { type TransactionCookie, transactionCookieHash } from './transaction-cookie.ts'

/** `GET /auth/login?returnTo=/path`: starts a login attempt and sends the browser to the tenant. */
export async function loginRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { tenants: sites, home } = context
  if (isPrefetch(request)) return void response.set('cache-control', 'no-store').status(204).end()
  // An image on a foreign page may not start logins; a link on one may.
  if (request.headers['sec-fetch-site'] === 'cross-site' && request.headers['sec-fetch-mode'] !== 'navigate') {
    throw httpError('ERR_CROSS_SITE', 'A login starts with a visit to this page.')
  }
  const parameters = new URL(request.originalUrl, 'http://app.invalid').searchParams
  const returns = parameters.getAll('returnTo')
  const site = sites.of(request)
  if (site === undefined) throw configuration('tenantOf does not say at which tenant this login is to take place.')

  clearInvalidCookie(context, request, response)
  refuseInsecure(context, request)
  await limitRate(context, request)
  await startTransaction(context, request, response, site, {
    returnTo: returnPath(returns.length === 1 ? returns[0] : undefined, home),
    restarts: 0,
  })
}

/** Writes the attempt, binds it to the browser, and redirects to the tenant's authorization endpoint. */
export async function startTransaction(
  { states, store, transactionCookies: browsers, peekLogin }: AuthContext,
  request: Request,
  response: Response,
  { client, redirectUri }: TenantConfiguration,
  { returnTo, restarts }: { returnTo: string; restarts: number },
): Promise<void> {
  const known = browsers.all(request)[0] ?? browsers.fresh()
  // Somebody who is logged in and logs in once more, as another user say, is not going around in circles.
  const browser = (await peekLogin(request)) === undefined ? counted(known) : { ...known, loops: 0, completed: 0 }
  const state = states.seal({ returnTo, browser: transactionCookieHash(browser), restarts })
  const { url, codeVerifier } = await createAuthorizationRequest(client, { redirectUri, state })
  const attempt = {
    tenant: client.tenant,
    clientId: client.clientId,
    codeVerifier,
    redirectUri,
    returnTo,
    browser: transactionCookieHash(browser),
  }
  await store.saveTransaction(transactionKey(state), attempt, transactionSeconds)

  response.append('set-cookie', browsers.set(browser))
  response.set('cache-control', 'no-store').redirect(302, url)
}

export const transactionSeconds = 600

/**
 * A login that starts right after one was completed did not stick: the browser refuses the cookie, or the application
 * asks again for another reason. After a few rounds the person is told instead of being sent around.
 */
function counted(browser: TransactionCookie): TransactionCookie {
  const loops = Date.now() / 1000 - browser.completed < loopSeconds ? browser.loops + 1 : 0
  if (loops < mostLoops) return { ...browser, loops, completed: 0 }
  throw new QlikOAuthError(
    'ERR_LOGIN_LOOP',
    'The login was completed several times in a row, and each time the application asked for it again. The session cookie does not come back: ' +
      'check that publicUrl is the address in the browser, that "trust proxy" is set behind a TLS balancer, and that the browser accepts cookies.',
  )
}

const loopSeconds = 20
const mostLoops = 4

/**
 * Behind a balancer that ends TLS, express-session sets no Secure cookie unless it knows the request came over https:
 * the login would be lost.
 */
function refuseInsecure({ session, emit }: AuthContext, request: Request): void {
  const secured = session.cookie !== undefined && typeof session.cookie !== 'function' && session.cookie.secure === true
  const forwarded =
    session.proxy === true && String(request.headers['x-forwarded-proto'] ?? '').split(',', 1)[0] === 'https'
  if (!secured || request.secure || forwarded) return
  const message =
    'The session cookie is Secure, but this request did not come over https as far as Express knows. ' +
    "Behind a balancer that ends TLS, set app.set('trust proxy', 1) (TRUST_PROXY=1 in the demo)."
  emit('warning', { code: 'ERR_CONFIGURATION', message })
  throw configuration(message)
}

async function limitRate({ store, loginRateLimit, emit }: AuthContext, request: Request): Promise<void> {
  if (loginRateLimit === 0) return
  const address = network(request.ip ?? '')
  if ((await store.increment(transactionKey(`login rate ${address}`), 60)) <= loginRateLimit) return
  emit('denied', { code: 'ERR_RATE_LIMIT', message: 'Too many login attempts from one address' })
  throw new QlikOAuthError('ERR_RATE_LIMIT', `More than ${loginRateLimit} login attempts within a minute`, {
    retryAfterSeconds: 60,
  })
}

/** One household or server rarely has more than a /64 of IPv6 addresses, and rarely less. */
function network(address: string): string {
  return address.includes(':') && !address.includes('.')
    ? address.split(':').slice(0, 4).join(':')
    : address.replace(/^::ffff:/i, '')
}
