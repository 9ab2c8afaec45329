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
  type TokenSource,
} from 'qlik-oauth'
import { loginKey, revokeTokens } from 'qlik-oauth/internal'
import type { SessionChange } from './application-session/session-change.ts'
import type { AuthContext } from './context/auth-context.ts'
import { tenantFetch } from './context/request-login.ts'
import type { TenantConfiguration } from './context/tenant-registry.ts'
import { callOnLogin } from './hooks/on-login.ts'
import { loginDevice } from './login-device.ts'

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
 * Creates the login under a new session id, which prevents session fixation, and ends the login that the browser had.
 * When the application refuses the user, the browser keeps its session and the login that it had.
 *
 * @throws ERR_LOGIN_REFUSED, ERR_HOOK_TIMEOUT, ERR_STORE_UNAVAILABLE
 */
export async function createLogin(
  { logins, sessionIds, settings, emit }: AuthContext,
  request: Request,
  { client }: TenantConfiguration,
  { tokens, user }: AuthorizedUser,
  change: SessionChange,
): Promise<void> {
  try {
    try {
      await change.begin()
      await callOnLogin(settings, request, pendingLogin(client, tokens, user))
      for (const { login } of sessionIds(request)) await logins.end(login, 'replaced', request)
      await change.complete()
    } catch (error) {
      // express-session would try to save the new session again, and not end the response when that throws.
      change.undo()
      throw error
    }
    const applicationUser = settings.applicationUserOf(request.session)
    const login = { client, user, tokens, applicationUser, device: loginDevice(request) }
    await logins.create(loginKey(request.sessionID), login, request)
  } catch (error) {
    await revokeUnused(emit, request, client, tokens)
    throw error
  }
}

function pendingLogin(client: QlikClient, { accessToken, scope = '' }: TokenSet, user: QlikUser) {
  const { tenant } = client
  const tokens: TokenSource = { tenant, client, accessToken: async () => accessToken }
  return {
    user: { ...user },
    scope,
    tenant,
    accessToken: () => tokens.accessToken(),
    fetch: tenantFetch(tokens),
  }
}

function revokeUnused(emit: AuthContext['emit'], request: Request, client: QlikClient, tokens: TokenSet) {
  return revokeTokens(client, tokens, message =>
    emit('revocationFailed', { login: '', tenant: client.tenant, message }, request),
  )
}
