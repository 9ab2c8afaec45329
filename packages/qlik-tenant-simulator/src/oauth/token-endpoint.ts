import { randomUUID, timingSafeEqual } from 'node:crypto'
import { type Exchange, isObject, sendJson } from '../http/exchange.ts'
import { OAuthError } from '../http/oauth-error.ts'
import { type Client, isConfidential } from '../tenant/clients.ts'
import type { TenantState } from '../tenant/state.ts'
import { type AccessToken, challengeOf, type RefreshToken } from '../tenant/tokens.ts'
import type { TenantUser } from '../tenant/users.ts'
import { authenticateClient } from './client-authentication.ts'
import { optional, type Parameters, readParameters, required } from './parameters.ts'
import { grantableScope } from './scope.ts'

/** Grant types and token types of the token endpoint. */
export const impersonationGrant = 'urn:qlik:oauth:user-impersonation'
export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const anonymousGrant = 'urn:qlik:oauth:anonymous-embed'
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** `POST /oauth/token`. */
export async function tokenEndpoint(state: TenantState, exchange: Exchange): Promise<void> {
  const parameters = await readParameters(exchange)
  const name = required(parameters, 'grant_type')
  const grant = Object.hasOwn(grants, name) ? grants[name] : undefined
  if (grant === undefined) throw new OAuthError('grant_type', `${name} is not supported`)
  await sendJson(exchange, 200, await grant(state, exchange, parameters))
}

/** `POST /oauth/token/anonymous-embed`. */
export async function anonymousTokenEndpoint(state: TenantState, exchange: Exchange): Promise<void> {
  const parameters = await readParameters(exchange)
  if (required(parameters, 'grant_type') !== anonymousGrant)
    throw new OAuthError('grant_type', `grant_type must be ${anonymousGrant}`)
  await sendJson(exchange, 200, await anonymousEmbed(state, exchange, parameters))
}

type Grant = (state: TenantState, exchange: Exchange, parameters: Parameters) => Promise<Record<string, unknown>>

const grants: Readonly<Record<string, Grant>> = {
  authorization_code: authorizationCode,
  refresh_token: refresh,
  client_credentials: clientCredentials,
  [impersonationGrant]: impersonation,
  [exchangeGrant]: exchangeToken,
}

async function authorizationCode(state: TenantState, exchange: Exchange, parameters: Parameters) {
  required(parameters, 'client_id')
  const client = await authenticateClient(state, exchange, parameters)
  checkOrigin(client, exchange)
  const value = required(parameters, 'code')
  const redirectUri = required(parameters, 'redirect_uri')
  const verifier = optional(parameters, 'code_verifier')

  const code = state.tokens.takeCode(value, client.clientId)
  if (code.redirectUri !== redirectUri)
    throw new OAuthError('code', 'redirect_uri differs from the authorization request')
  if (code.challenge !== undefined || verifier !== undefined) verifyChallenge(code.challenge, verifier)

  const user = activeUser(state, code.userId)
  const description = {
    description: optional(parameters, 'description') ?? '',
    deviceType: optional(parameters, 'deviceType') ?? '',
  }
  const authority = { clientId: client.clientId, userId: user.id, scope: code.scope, family: code.family }
  const accessToken = await state.tokens.issueAccessToken(authority, description)
  const refreshToken = code.scope.includes('offline_access')
    ? state.tokens.issueRefreshToken(authority, code.authTime)
    : undefined
  return tokenResponse(state, accessToken, { auth_time: Math.floor(code.authTime / 1000) }, refreshToken)
}

async function refresh(state: TenantState, exchange: Exchange, parameters: Parameters) {
  const value = required(parameters, 'refresh_token')
  const impliedClientId = state.tokens.clientOfRefreshToken(value)
  const unnamed =
    optional(parameters, 'client_id') === undefined && exchange.request.headers.authorization === undefined
  if (impliedClientId === undefined && unnamed)
    throw new OAuthError('refresh_token', 'Unknown or revoked refresh token')
  const client = await authenticateClient(state, exchange, parameters, { impliedClientId })
  checkOrigin(client, exchange)

  const token = state.tokens.takeRefreshToken(value, client.clientId)
  const user = activeUser(state, token.userId)
  // A refresh can narrow the scope but not widen it (RFC 6749, section 6).
  const requested = optional(parameters, 'scope')?.split(' ').filter(Boolean) ?? []
  if (requested.some(scope => !token.scope.includes(scope)))
    throw new OAuthError('scope', 'The scope exceeds the granted scope')
  const scope = requested.length === 0 ? token.scope : token.scope.filter(name => requested.includes(name))
  const accessToken = await state.tokens.issueAccessToken({
    clientId: client.clientId,
    userId: user.id,
    scope,
    family: token.family,
  })
  const { rotateRefreshTokens, slidingRefreshTokens } = state.settings
  const next = rotateRefreshTokens
    ? state.tokens.issueRefreshToken(token, token.authTime, slidingRefreshTokens ? undefined : token.expiresAt)
    : undefined
  return tokenResponse(state, accessToken, { auth_time: Math.floor(token.authTime / 1000) }, next)
}

async function clientCredentials(state: TenantState, exchange: Exchange, parameters: Parameters) {
  const client = await grantedClient(state, exchange, parameters, 'client_credentials')
  const user = state.users.botOf(client.clientId)
  return tokenResponse(state, await state.tokens.issueAccessToken(machineAuthority(client, user, parameters)))
}

async function impersonation(state: TenantState, exchange: Exchange, parameters: Parameters) {
  const client = await grantedClient(state, exchange, parameters, impersonationGrant)
  const { field, value } = userLookup(parameters.user_lookup)
  const found = field === 'userId' ? state.users.find(value) : state.users.findBySubject(value)
  if (found === undefined) throw new OAuthError('user', `No user with this ${field}`)
  return tokenResponse(
    state,
    await state.tokens.issueAccessToken(machineAuthority(client, activeUser(state, found.id), parameters)),
  )
}

async function exchangeToken(state: TenantState, exchange: Exchange, parameters: Parameters) {
  required(parameters, 'client_id')
  // Browsers exchange tokens, so the exchange cannot require a secret.
  const client = await authenticateClient(state, exchange, parameters, { proofOptional: true })
  checkOrigin(client, exchange)
  if (required(parameters, 'subject_token_type') !== accessTokenType)
    throw new OAuthError('request', `subject_token_type must be ${accessTokenType}`)
  const purpose = required(parameters, 'purpose')
  if (purpose !== 'websocket' && purpose !== 'webresource')
    throw new OAuthError('request', 'purpose must be websocket or webresource')

  const subject = state.tokens.findAccessToken(required(parameters, 'subject_token'))
  if (subject === undefined || subject.purpose !== 'api' || subject.clientId !== client.clientId)
    throw new OAuthError('subject_token')
  const { clientId, userId, scope, family } = subject
  const token = await state.tokens.issueAccessToken(
    { clientId, userId: activeUser(state, userId).id, scope, family },
    { purpose },
  )
  return tokenResponse(state, token, { issued_token_type: accessTokenType })
}

async function anonymousEmbed(state: TenantState, exchange: Exchange, parameters: Parameters) {
  required(parameters, 'client_id')
  const client = await authenticateClient(state, exchange, parameters)
  if (client.appType !== 'anonymous-embed')
    throw new OAuthError('unauthorized_client', 'The client must be of type anonymous-embed')
  checkOrigin(client, exchange)
  const trackingCode = required(parameters, 'tracking_code')
  if (!/^[0-9a-f]{40}$/.test(trackingCode))
    throw new OAuthError('request', 'tracking_code must be 40 hexadecimal digits')
  if (!client.accessCodes.includes(required(parameters, 'eac'))) throw new OAuthError('access_code')
  const user = state.anonymousUser()
  const scope = client.allowedScopes.filter(name => name !== 'offline_access')
  return tokenResponse(
    state,
    await state.tokens.issueAccessToken({ clientId: client.clientId, userId: user.id, scope, family: randomUUID() }),
  )
}

async function grantedClient(
  state: TenantState,
  exchange: Exchange,
  parameters: Parameters,
  grant: 'client_credentials' | typeof impersonationGrant,
) {
  const client = await authenticateClient(state, exchange, parameters)
  if (!isConfidential(client) || !client.allowedGrantTypes.includes(grant))
    throw new OAuthError('unauthorized_client', grant)
  checkOrigin(client, exchange)
  return client
}

function machineAuthority(client: Client, user: TenantUser, parameters: Parameters) {
  const scope = grantableScope(client, optional(parameters, 'scope')).filter(name => name !== 'offline_access')
  return { clientId: client.clientId, userId: user.id, scope, family: randomUUID() }
}

/** Checks `Origin` against the allowed origins. Single-page clients run in a page, so theirs is required. */
function checkOrigin(client: Client, exchange: Exchange): void {
  const { origin } = exchange.request.headers
  if (origin === undefined && client.appType !== 'spa') return
  if (origin === undefined || !client.allowedOrigins.includes(origin)) throw new OAuthError('origin')
}

function verifyChallenge(challenge: string | undefined, verifier: string | undefined): void {
  if (verifier === undefined || !/^[A-Za-z0-9\-._~]{43,128}$/.test(verifier)) {
    throw new OAuthError('request', 'code_verifier must have 43 to 128 characters from A-Z a-z 0-9 - . _ ~')
  }
  const expected = Buffer.from(challenge ?? '')
  const actual = Buffer.from(challengeOf(verifier))
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual))
    throw new OAuthError('code', 'code_verifier does not match')
}

function activeUser(state: TenantState, userId: string): TenantUser {
  const user = state.users.find(userId)
  if (user === undefined) throw new OAuthError('user', 'The user does not exist')
  if (user.status === 'disabled') throw new OAuthError('user_disabled')
  return user
}

function userLookup(parameter: unknown): { field: 'subject' | 'userId'; value: string } {
  const lookup = typeof parameter === 'string' ? parsed(parameter) : parameter
  if (isObject(lookup)) {
    const { field, value } = lookup
    if ((field === 'subject' || field === 'userId') && typeof value === 'string' && value !== '')
      return { field, value }
  }
  throw new OAuthError('request', 'user_lookup must be {"field":"subject"|"userId","value":"..."}')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function tokenResponse(
  state: TenantState,
  token: AccessToken,
  more: Record<string, unknown> = {},
  refreshToken?: RefreshToken,
): Record<string, unknown> {
  const { expiry, now } = state.settings
  return {
    access_token: token.value,
    token_type: 'bearer',
    scope: token.scope.join(' '),
    ...(expiry === 'expires_in' || expiry === 'both'
      ? { expires_in: Math.max(0, Math.round((token.expiresAt - now()) / 1000)) }
      : {}),
    ...(expiry === 'expires_at' || expiry === 'both' ? { expires_at: new Date(token.expiresAt).toISOString() } : {}),
    ...more,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken.value }),
  }
}
