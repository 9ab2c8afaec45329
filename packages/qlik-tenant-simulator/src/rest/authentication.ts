import type { IncomingMessage } from 'node:http'
import { QlikError } from '../http/qlik-error.ts'
import type { TenantState } from '../tenant/state.ts'
import type { AccessToken, Purpose } from '../tenant/tokens.ts'
import type { TenantUser } from '../tenant/users.ts'

/**
 * Authenticates a request by its bearer token, or by an exchanged token in `?accessToken=`.
 *
 * @param queryPurpose - Purpose of the exchanged token.
 * @throws QlikError 401 without a valid token; 403 for a disabled user, or an `Origin` not among the client's allowed
 *   origins
 */
export function authenticate(
  state: TenantState,
  { request, url }: { request: IncomingMessage; url: URL },
  queryPurpose: Purpose = 'webresource',
): { user: TenantUser; token: AccessToken } {
  const header = request.headers.authorization
  const bearer = /^Bearer +([^\s]+)$/i.exec(header ?? '')?.[1]
  const fromQuery = header === undefined ? (url.searchParams.get('accessToken') ?? undefined) : undefined
  const token = state.tokens.findAccessToken(bearer ?? fromQuery ?? '')
  const purpose = bearer === undefined ? queryPurpose : 'api'
  if (token === undefined || token.purpose !== purpose) {
    throw new QlikError(
      401,
      'HTTP-401',
      'Unauthorized',
      header === undefined ? 'No access token' : 'Invalid access token',
      {
        'www-authenticate': 'Bearer',
      },
    )
  }
  const user = state.users.find(token.userId)
  if (user === undefined || user.status === 'disabled')
    throw new QlikError(403, 'HTTP-403', 'Forbidden', 'The user is disabled')

  const { origin } = request.headers
  const client = state.clients.find(token.clientId)
  if (origin !== undefined && origin !== state.origin && !client?.allowedOrigins.includes(origin)) {
    throw new QlikError(403, 'OAUTH-29', 'Invalid Origin Header', 'The origin is not an allowed origin of the client')
  }
  return { user, token }
}
