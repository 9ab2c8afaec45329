import { OAuthError } from '../http/oauth-error.ts'
import { type Client, scopeToken } from '../tenant/clients.ts'

/**
 * The scopes to grant: the requested scopes among the client's allowed scopes. A request without scopes gets all allowed
 * scopes except `offline_access`.
 *
 * @throws OAuthError for a malformed scope, a scope in `rejectedScopes`, or when no scope remains
 */
export function grantableScope(
  client: Client,
  requested: string | undefined,
  rejectedScopes: readonly string[] = [],
): readonly string[] {
  const names = (requested ?? '').split(' ').filter(scope => scope !== '')
  const malformed = names.find(scope => !scopeToken.test(scope))
  if (malformed !== undefined) throw new OAuthError('scope', 'A scope contains invalid characters')
  const rejected = names.find(scope => rejectedScopes.includes(scope))
  if (rejected !== undefined) throw new OAuthError('scope', `${rejected} is not supported`)
  if (names.length === 0) return client.allowedScopes.filter(scope => scope !== 'offline_access')

  const granted = client.allowedScopes.filter(scope => names.includes(scope))
  if (granted.filter(scope => scope !== 'offline_access').length === 0)
    throw new OAuthError('scope', 'None of the requested scopes is allowed for this client')
  return granted
}
