import type { Request, Response } from 'express'
import {
  type AuthorizationTransaction,
  authorizationCodeGrant,
  currentUser,
  QlikOAuthError,
  type QlikUser,
  requestTokens,
  TokenResponseError,
  type TokenSet,
} from 'qlik-oauth'
import { type Login, loginKey, revokeTokens, validateAuthorizationResponse } from 'qlik-oauth/internal'
import { isNavigation } from '../http/navigation.ts'
import type { AuthContext } from './auth-context.ts'
import { startTransaction } from './login-route.ts'
import { type LoginState, transactionKey } from './login-state.ts'
import { unavailable } from './session-life.ts'
import { configuration, type TenantConfiguration } from './tenant-registry.ts'
import { type TransactionCookie, transactionCookieHash } from './transaction-cookie.ts'

/**
 * `GET /auth/callback`: takes the authorization response, redeems the code, and gives the browser a session with a new
 * id.
 */
export async function callbackRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  response.set('cache-control', 'no-store')
  try {
    await callback(context, request, response)
  } catch (error) {
    // What the browser brought was wrong. That nobody could say whether it is, is no refusal.
    if (error instanceof QlikOAuthError && error.status < 500)
      context.emit('denied', { code: error.code, message: error.message })
    throw error
  }
}

async function callback(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { states, store, tenants: sites, home } = context
  const parameters = new URL(request.originalUrl, 'http://app.invalid').searchParams
  const state = parameters.getAll('state').length === 1 ? (parameters.get('state') ?? '') : ''
  const known = state.length > longestState ? undefined : states.open(state)
  const browser = known === undefined ? undefined : boundBrowser(context, request, known)
  if (known === undefined || browser === undefined) return await stale(context, request, response, undefined)

  const attempt = await store.takeTransaction(transactionKey(state))
  if (attempt === undefined) return await stale(context, request, response, known)

  const site = sites.forLogin(attempt)
  if (
    site === undefined ||
    site.redirectUri !== attempt.redirectUri ||
    new URL(site.redirectUri).pathname !== request.path
  ) {
    // A response of one tenant for an attempt at another: each has a redirect URI of its own.
    throw new QlikOAuthError('ERR_CALLBACK_INVALID', 'The authorization response belongs to another tenant or client')
  }
  const code = await validateAuthorizationResponse(site.client, parameters, state)
  await logIn(context, request, site, await redeemed(context, site, code, attempt))

  response.append(
    'set-cookie',
    context.transactionCookies.set({ ...browser, completed: Math.floor(Date.now() / 1000) }),
  )
  response.redirect(302, attempt.returnTo || home)
}

const longestState = 4096

/** Also the tabs that began before the browser had a cookie count, each with its own. */
function boundBrowser(
  { transactionCookies: browsers }: AuthContext,
  request: Request,
  { browser }: LoginState,
): TransactionCookie | undefined {
  return browsers.all(request).find(cookie => transactionCookieHash(cookie) === browser)
}

/**
 * The attempt is used, too old, lost with the store, or was never ours. Somebody who is logged in goes home; a person
 * whose own attempt is gone starts again, once; the rest is refused. No code is redeemed in either case.
 */
async function stale(
  context: AuthContext,
  request: Request,
  response: Response,
  known: LoginState | undefined,
): Promise<void> {
  if ((await context.peekLogin(request)) !== undefined) return response.redirect(302, context.home)
  const site =
    context.tenants.of(request) ??
    context.tenants.all.find(({ redirectUri }) => new URL(redirectUri).pathname === request.path)
  if (
    known === undefined ||
    known.restarts > 0 ||
    site === undefined ||
    !isNavigation(request) ||
    !request.originalUrl.includes('code=')
  ) {
    throw new QlikOAuthError(
      'ERR_CALLBACK_INVALID',
      'The login attempt is unknown, was used before, or was started in another browser',
    )
  }
  await startTransaction(context, request, response, site, { returnTo: known.returnTo, restarts: known.restarts + 1 })
}

async function redeemed(
  { emit }: AuthContext,
  { client }: TenantConfiguration,
  code: string,
  attempt: AuthorizationTransaction,
): Promise<{ tokens: TokenSet; user: QlikUser }> {
  const tokens = await requestTokens(
    client,
    authorizationCodeGrant(code, attempt.redirectUri, attempt.codeVerifier),
  ).catch(cause => {
    throw refusedCode(cause)
  })
  try {
    return { tokens, user: await currentUser(client, tokens.accessToken) }
  } catch (error) {
    await revokeTokens(client, tokens, message =>
      emit('revocationFailed', { login: '', tenant: client.tenant, message }),
    )
    throw error
  }
}

/**
 * Code and user came with the browser. A client or a scope that is refused is the application's own matter, and stays
 * what it is.
 */
function refusedCode(cause: unknown): unknown {
  if (!(cause instanceof TokenResponseError)) return cause
  if (cause.error === 'invalid_grant')
    return new QlikOAuthError('ERR_CALLBACK_INVALID', `No login for this code. ${cause.message}`, { cause })
  if (cause.error === 'access_denied')
    return new QlikOAuthError('ERR_LOGIN_DENIED', `No login for this user. ${cause.message}`, { cause })
  return cause
}

/** Gives the login a session id that nobody knew before, and ends the login that this browser had. */
async function logIn(
  context: AuthContext,
  request: Request,
  site: TenantConfiguration,
  { tokens, user }: { tokens: TokenSet; user: QlikUser },
): Promise<Login> {
  const { logins, sessionId, emit } = context
  try {
    if (request.session === undefined)
      throw configuration('req.session is missing: mount session() before qlik.routes().')
    const before = sessionId(request)
    if (before !== undefined) await logins.end(before.login, 'replaced')
    await new Promise<void>((resolve, reject) =>
      request.session.regenerate(error => (error ? reject(unavailable(error)) : resolve())),
    )
    return await logins.create(loginKey(request.sessionID), { client: site.client, user, tokens })
  } catch (error) {
    await revokeTokens(site.client, tokens, message =>
      emit('revocationFailed', { login: '', tenant: site.client.tenant, message }),
    )
    throw error
  }
}
