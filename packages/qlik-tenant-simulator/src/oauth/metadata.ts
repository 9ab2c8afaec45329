import { type Exchange, sendJson } from '../http/exchange.ts'
import type { TenantState } from '../tenant/state.ts'
import { anonymousGrant, exchangeGrant, impersonationGrant } from './token-endpoint.ts'

/** `GET /.well-known/oauth-authorization-server`: the fields listed in Qlik's reference. */
export async function metadata(state: TenantState, exchange: Exchange): Promise<void> {
  const { origin, settings } = state
  await sendJson(exchange, 200, {
    issuer: state.issuer,
    ...(state.tier === 'tenant' ? { authorization_endpoint: `${origin}/oauth/authorize` } : {}),
    token_endpoint: `${origin}/oauth/token`,
    revocation_endpoint: `${origin}/oauth/revoke`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      impersonationGrant,
      exchangeGrant,
      anonymousGrant,
    ],
    response_types_supported: ['code'],
    ...(settings.authorizationResponseIss ? { authorization_response_iss_parameter_supported: true } : {}),
  })
}

/** `GET /.well-known/jwks.json`. */
export async function jwks(state: TenantState, exchange: Exchange): Promise<void> {
  await sendJson(exchange, 200, await state.tokens.jwks)
}
