import { send } from '../http/exchange.ts'
import { type Call, generalScopes, isAdmin, notFound, pathParameter, type Route } from './call.ts'
import { sendPage } from './paging.ts'

/** Issued tokens: administrators see all tokens, other users their own. */
export const oauthTokenRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/oauth-tokens', scopes: generalScopes, handle: listTokens },
  { method: 'DELETE', path: '/api/v1/oauth-tokens/{id}', scopes: generalScopes, handle: deleteToken },
]

async function listTokens(call: Call) {
  const userId = call.exchange.url.searchParams.get('userId')
  const found = visibleTokens(call).filter(token => userId === null || token.userId === userId)
  found.sort((one, other) => one.userId.localeCompare(other.userId) || one.createdAt - other.createdAt)
  await sendPage(call.state, call.exchange, found, token => ({
    id: token.id,
    userId: token.userId,
    tenantId: call.state.tenantId,
    clientId: token.clientId,
    description: token.description,
    deviceType: token.deviceType,
    lastUsed: new Date(token.createdAt).toISOString(),
  }))
}

/** Revokes the access tokens and the refresh token of the entry's login. */
async function deleteToken(call: Call) {
  const token = visibleTokens(call).find(({ id }) => id === pathParameter(call, 'id'))
  if (token === undefined) throw notFound('The token')
  call.state.closeSockets(call.state.tokens.revokeFamily(token.family))
  await send(call.exchange, 204)
}

function visibleTokens(call: Call) {
  const all = call.state.tokens.liveAccessTokens()
  return isAdmin(call) ? all : all.filter(token => token.userId === call.user.id)
}
