import { type Exchange, sendJson } from '../http/exchange.ts'
import { OAuthError } from '../http/oauth-error.ts'
import type { TenantState } from '../tenant/state.ts'
import { authenticateClient } from './client-authentication.ts'
import { optional, readParameters, required } from './parameters.ts'

/** `POST /oauth/revoke` (RFC 7009). Responds with 200 for unknown and already revoked tokens, too. */
export async function revocationEndpoint(state: TenantState, exchange: Exchange): Promise<void> {
  const parameters = await readParameters(exchange)
  const value = required(parameters, 'token')
  const hint = optional(parameters, 'token_type_hint')
  if (hint !== undefined && hint !== 'access_token' && hint !== 'refresh_token') {
    throw new OAuthError('request', 'token_type_hint must be access_token or refresh_token')
  }
  const refreshToken = state.tokens.findRefreshToken(value)
  const token = refreshToken ?? state.tokens.findAccessToken(value)
  const usesBasic = /^basic /i.test(exchange.request.headers.authorization ?? '')
  if (
    state.settings.revokeRequiresClient ||
    usesBasic ||
    'client_id' in parameters ||
    'client_secret' in parameters ||
    'client_assertion' in parameters
  ) {
    const client = await authenticateClient(state, exchange, parameters, {
      impliedClientId: 'client_id' in parameters || usesBasic ? undefined : token?.clientId,
    })
    if (token !== undefined && token.clientId !== client.clientId)
      throw new OAuthError('unauthorized_client', 'The token was issued to another client')
  }

  if (refreshToken !== undefined) {
    if (state.settings.revokeCascades) state.closeSockets(state.tokens.revokeFamily(refreshToken.family))
    else state.tokens.revokeRefreshTokens(other => other.value === value)
  } else {
    state.closeSockets(state.tokens.revokeAccessTokens(other => other.value === value))
  }
  await sendJson(exchange, 200, {})
}
