import { type Client, scopeToken } from '../client-registration.ts'
import { OAuthError } from './oauth-error.ts'

/**
 * What a client gets of what it asks for: what both its registration and the request name. Nothing asked for means
 * everything registered, except `offline_access`, which is never granted unasked.
 *
 * @throws OAuthError when the request is malformed, refused by name, or leaves nothing
 */
export function grantableScope(
  client: Client,
  asked: string | undefined,
  refused: readonly string[] = [],
): readonly string[] {
  const wanted = (asked ?? '').split(' ').filter(scope => scope !== '')
  const malformed = wanted.find(scope => !scopeToken.test(scope))
  if (malformed !== undefined) throw new OAuthError('scope', 'A scope has characters that scopes cannot have')
  const forbidden = wanted.find(scope => refused.includes(scope))
  if (forbidden !== undefined) throw new OAuthError('scope', `${forbidden} is not supported`)
  if (wanted.length === 0) return client.allowedScopes.filter(scope => scope !== 'offline_access')

  const granted = client.allowedScopes.filter(scope => wanted.includes(scope))
  if (granted.filter(scope => scope !== 'offline_access').length === 0)
    throw new OAuthError('scope', 'None of these scopes is allowed for this client')
  return granted
}
