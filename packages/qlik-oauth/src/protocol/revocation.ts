import { internalsOf, type QlikClient } from './client.ts'
import { messageOf, QlikOAuthError } from './errors.ts'
import { pathOnTenant } from './tenant-origin.ts'
import type { TokenSet } from './token-set.ts'

/**
 * Revokes a token at the tenant. RFC 7009. The request authenticates the client; whether Qlik requires that is not
 * confirmed.
 *
 * @param options `signal` ends the wait.
 * @throws ERR_TENANT_RESPONSE for an error response; ERR_TENANT_UNREACHABLE and ERR_TENANT_TIMEOUT without a response;
 * the reason of the signal.
 */
export async function revokeToken(
  client: QlikClient,
  token: string,
  hint: 'access_token' | 'refresh_token',
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { http, metadata } = internalsOf(client)
  const { revocationEndpoint, tokenEndpoint } = await metadata(signal)
  const { parameters, headers } = await client.authentication.authenticate(client.clientId, tokenEndpoint)
  const response = await http.request({
    method: 'POST',
    path: pathOnTenant(revocationEndpoint, client.tenant) ?? '/oauth/revoke',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({ token, token_type_hint: hint, ...parameters }).toString(),
    signal,
  })
  if (response.status < 400) return
  throw new QlikOAuthError(
    'ERR_TENANT_RESPONSE',
    `The revocation endpoint of ${client.tenant} returned ${response.status}`,
  )
}

/**
 * Revokes the tokens of a login at the tenant, for at most three seconds. A failure is reported and does not keep the
 * login from ending.
 *
 * @param failed Called with a message for each token that could not be revoked.
 */
export async function revokeTokens(
  client: QlikClient,
  tokens: TokenSet,
  failed: (message: string) => void,
): Promise<void> {
  const signal = AbortSignal.timeout(revocationMs)
  const revoke = async (token: string, hint: 'access_token' | 'refresh_token') => {
    try {
      await revokeToken(client, token, hint, { signal })
    } catch (error) {
      const reason = signal.aborted ? `no response within ${revocationMs} ms` : messageOf(error)
      failed(error instanceof QlikOAuthError ? error.message : `The tokens could not be revoked: ${reason}`)
    }
  }
  await Promise.all([
    tokens.refreshToken === undefined ? undefined : revoke(tokens.refreshToken, 'refresh_token'),
    revoke(tokens.accessToken, 'access_token'),
  ])
}

const revocationMs = 3000
