import type { Request } from 'express'
import {
  type AuthorizationTransaction,
  authorizationCodeGrant,
  currentUser,
  type QlikClient,
  QlikOAuthError,
  type QlikUser,
  requestTokens,
  TokenResponseError,
  type TokenSet,
} from 'qlik-oauth'
import { loginKey, revokeTokens } from 'qlik-oauth/internal'
import { configurationError } from '../http/option-checks.ts'
import type { AuthContext } from './auth-context.ts'
import { loginDevice } from './login-device.ts'
import { sessionStoreError } from './session-store.ts'
import type { TenantConfiguration } from './tenant-registry.ts'

export interface AuthorizedUser {
  readonly tokens: TokenSet
  readonly user: QlikUser
}

/**
 * Redeems an authorization code and reads the user. When the user cannot be read, the tokens are revoked.
 *
 * @throws ERR_CALLBACK_INVALID, ERR_LOGIN_DENIED and the errors of the token endpoint.
 */
export async function redeemCode(
  { emit }: AuthContext,
  request: Request,
  { client }: TenantConfiguration,
  code: string,
  { redirectUri, codeVerifier }: AuthorizationTransaction,
): Promise<AuthorizedUser> {
  const grant = authorizationCodeGrant(code, redirectUri, codeVerifier)
  const tokens = await requestTokens(client, grant).catch(cause => {
    throw callbackError(cause)
  })
  try {
    return { tokens, user: await currentUser(client, tokens.accessToken) }
  } catch (error) {
    await revokeUnused(emit, request, client, tokens)
    throw error
  }
}

/**
 * `invalid_grant` and `access_denied` concern the code and the user of this browser. Other errors, such as
 * `invalid_client`, concern the application and stay as they are.
 */
function callbackError(cause: unknown): unknown {
  if (!(cause instanceof TokenResponseError)) return cause
  if (cause.error === 'invalid_grant')
    return new QlikOAuthError('ERR_CALLBACK_INVALID', `The code was refused. ${cause.message}`, { cause })
  if (cause.error === 'access_denied')
    return new QlikOAuthError('ERR_LOGIN_DENIED', `The user was refused. ${cause.message}`, { cause })
  return cause
}

/**
 * Ends the login that the browser had and creates the new one under a new session id, which prevents session fixation.
 *
 * @throws ERR_CONFIGURATION when `session()` is not mounted before the routes, ERR_STORE_UNAVAILABLE
 */
export async function createLogin(
  { logins, sessionIds, emit }: AuthContext,
  request: Request,
  { client }: TenantConfiguration,
  { tokens, user }: AuthorizedUser,
): Promise<void> {
  try {
    if (request.session === undefined)
      throw configurationError('req.session is missing: mount session() before qlik.routes().')
    for (const { login } of sessionIds(request)) await logins.end(login, 'replaced', request)
    await new Promise<void>((resolve, reject) =>
      request.session.regenerate(error => (error ? reject(sessionStoreError(error)) : resolve())),
    )
    await logins.create(loginKey(request.sessionID), { client, user, tokens, device: loginDevice(request) }, request)
  } catch (error) {
    await revokeUnused(emit, request, client, tokens)
    throw error
  }
}

function revokeUnused(emit: AuthContext['emit'], request: Request, client: QlikClient, tokens: TokenSet) {
  return revokeTokens(client, tokens, message =>
    emit('revocationFailed', { login: '', tenant: client.tenant, message }, request),
  )
}
