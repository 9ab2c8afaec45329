import { timingSafeEqual } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import type { Exchange } from '../http/exchange.ts'
import { OAuthError } from '../http/oauth-error.ts'
import { type Client, isConfidential } from '../tenant/clients.ts'
import type { TenantState } from '../tenant/state.ts'
import { optional, type Parameters } from './parameters.ts'

/** `client_assertion_type` of private_key_jwt (RFC 7523). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Identifies the client of a request. A confidential client must authenticate, unless `proofOptional` is set.
 *
 * @param impliedClientId - Client of a request without `client_id`, such as the client of the refresh token.
 * @throws OAuthError
 */
export async function authenticateClient(
  state: TenantState,
  exchange: Exchange,
  parameters: Parameters,
  { impliedClientId, proofOptional = false }: { impliedClientId?: string | undefined; proofOptional?: boolean } = {},
): Promise<Client> {
  const basic = basicCredentials(exchange.request.headers.authorization)
  const assertion = optional(parameters, 'client_assertion')
  const bodySecret = optional(parameters, 'client_secret')
  const methods = [basic, assertion, bodySecret].filter(method => method !== undefined)
  if (methods.length > 1) throw new OAuthError('request', 'The request uses more than one client authentication method')

  const named = optional(parameters, 'client_id')
  const candidates = basic?.candidates(state.settings.basicEncoding) ?? []
  const clientId =
    named ??
    candidates.find(({ id }) => state.clients.find(id))?.id ??
    (assertion === undefined ? impliedClientId : issuerOf(assertion))
  if (clientId === undefined) {
    throw basic === undefined
      ? new OAuthError('request', 'client_id is required')
      : new OAuthError('client', 'OAuth client is not authorized')
  }
  const client = state.clients.find(clientId)
  if (client === undefined || !state.accepts(client)) throw new OAuthError('client', 'OAuth client is not authorized')
  if (impliedClientId !== undefined && impliedClientId !== clientId)
    throw new OAuthError('refresh_token', 'The token was issued to another client')

  if (assertion !== undefined) {
    await verifyAssertion(state, client, assertion, optional(parameters, 'client_assertion_type'))
    return client
  }
  if (basic !== undefined) {
    if (!candidates.some(({ id, secret }) => id === clientId && hasSecret(client, secret)))
      throw new OAuthError('secret')
    return client
  }
  if (bodySecret !== undefined) {
    if (!hasSecret(client, bodySecret)) throw new OAuthError('secret')
    return client
  }
  if (isConfidential(client) && !proofOptional) throw new OAuthError('secret', 'The client must authenticate')
  return client
}

interface Basic {
  /** Possible values of id and secret, depending on their encoding. */
  candidates(encoding: 'raw' | 'form' | 'either'): { id: string; secret: string }[]
}

function basicCredentials(header: string | undefined): Basic | undefined {
  const encoded = /^basic +([a-z0-9+/_-]+=*)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  const raw = { id, secret }
  return {
    candidates(encoding) {
      if (encoding === 'raw') return [raw]
      const decoded =
        formDecoded(id) !== undefined && formDecoded(secret) !== undefined
          ? [{ id: formDecoded(id) ?? '', secret: formDecoded(secret) ?? '' }]
          : []
      return encoding === 'form' ? decoded : [raw, ...decoded]
    },
  }
}

function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function hasSecret(client: Client, secret: string): boolean {
  if (!client.allowedAuthMethods.includes('client_secret')) return false
  const received = Buffer.from(secret)
  return client.secrets.some(({ value }) => {
    const expected = Buffer.from(value)
    return expected.length === received.length && timingSafeEqual(expected, received)
  })
}

async function verifyAssertion(
  state: TenantState,
  client: Client,
  assertion: string,
  type: string | undefined,
): Promise<void> {
  const invalid = (detail: string) => new OAuthError('assertion', detail)
  if (type !== assertionType) throw invalid(`client_assertion_type must be ${assertionType}`)
  if (!client.allowedAuthMethods.includes('private_key_jwt'))
    throw invalid('private_key_jwt is not allowed for this client')
  const payload = await verifiedPayload(client, assertion).catch((cause: unknown) => {
    throw invalid(cause instanceof Error ? cause.message : 'The assertion cannot be verified')
  })

  const { iss, sub, aud, jti, iat, exp } = payload
  const nowSeconds = state.settings.now() / 1000
  if (iss !== client.clientId || sub !== client.clientId) throw invalid('iss and sub must be the client id')
  if (aud !== `${state.origin}/oauth/token`) throw invalid(`aud must be ${state.origin}/oauth/token`)
  if (typeof jti !== 'string' || jti === '') throw invalid('jti is required')
  if (iat === undefined || exp === undefined) throw invalid('iat and exp are required')
  if (exp <= nowSeconds) throw invalid('The assertion has expired')
  if (iat > nowSeconds + clockSkewSeconds) throw invalid('iat is in the future')
  if (exp - iat > maximumLifeSeconds) throw invalid('The assertion must expire within 5 minutes of iat')
  if (!state.firstUse(`${client.clientId} ${jti}`, exp * 1000)) throw invalid('jti was already used')
}

async function verifiedPayload(client: Client, assertion: string): Promise<JWTPayload> {
  const { kid } = decodeProtectedHeader(assertion)
  if (kid === undefined) throw new Error('kid is required')
  const keys =
    client.jwksUri === undefined
      ? createLocalJWKSet({ keys: [...client.publicKeys] })
      : createRemoteJWKSet(new URL(client.jwksUri), { timeoutDuration: 5000 })
  // The caller checks the times with the tenant's clock.
  const { payload } = await jwtVerify(assertion, keys, {
    algorithms: ['RS256', 'RS512', 'ES384'],
    currentDate: new Date(0),
    clockTolerance: Number.MAX_SAFE_INTEGER,
  })
  return payload
}

function issuerOf(assertion: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const issuer = typeof payload === 'object' && payload !== null && 'iss' in payload ? payload.iss : undefined
    return typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}

const clockSkewSeconds = 60
const maximumLifeSeconds = 300
