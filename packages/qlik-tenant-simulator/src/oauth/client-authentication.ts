import { timingSafeEqual } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import { type Client, isConfidential } from '../client-registration.ts'
import type { Exchange } from '../http/exchange.ts'
import type { TenantState } from '../tenant-state.ts'
import { OAuthError } from './oauth-error.ts'
import { optional, type Parameters } from './parameters.ts'

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Finds out which client sends a token request, and makes a confidential one prove it.
 *
 * @param impliedClientId - The client where the request does not name one, as in a refresh.
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
  const proofs = [basic, assertion, bodySecret].filter(proof => proof !== undefined)
  if (proofs.length > 1) throw new OAuthError('request', 'Only one way of client authentication per request')

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
  /** What id and secret may have been before they were encoded. */
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
  const given = Buffer.from(secret)
  return client.secrets.some(({ value }) => {
    const kept = Buffer.from(value)
    return kept.length === given.length && timingSafeEqual(kept, given)
  })
}

async function verifyAssertion(
  state: TenantState,
  client: Client,
  assertion: string,
  type: string | undefined,
): Promise<void> {
  const refuse = (detail: string) => new OAuthError('assertion', detail)
  if (type !== assertionType) throw refuse(`client_assertion_type must be ${assertionType}`)
  if (!client.allowedAuthMethods.includes('private_key_jwt'))
    throw refuse('This client does not authenticate with private_key_jwt')
  const payload = await verifiedPayload(client, assertion).catch((cause: unknown) => {
    throw refuse(cause instanceof Error ? cause.message : 'The assertion cannot be verified')
  })

  const { iss, sub, aud, jti, iat, exp } = payload
  const nowSeconds = state.settings.now() / 1000
  if (iss !== client.clientId || sub !== client.clientId) throw refuse('iss and sub must be the client id')
  if (aud !== `${state.origin}/oauth/token`) throw refuse(`aud must be ${state.origin}/oauth/token`)
  if (typeof jti !== 'string' || jti === '') throw refuse('jti is required')
  if (iat === undefined || exp === undefined) throw refuse('iat and exp are required')
  if (exp <= nowSeconds) throw refuse('The assertion has expired')
  if (iat > nowSeconds + clockSkewSeconds) throw refuse('iat lies in the future')
  if (exp - iat > maximumLifeSeconds) throw refuse('The assertion may live for 5 minutes at most')
  if (!state.firstUse(`${client.clientId} ${jti}`, exp * 1000)) throw refuse('jti was used before')
}

async function verifiedPayload(client: Client, assertion: string): Promise<JWTPayload> {
  const { kid } = decodeProtectedHeader(assertion)
  if (kid === undefined) throw new Error('kid is required')
  const keys =
    client.jwksUri === undefined
      ? createLocalJWKSet({ keys: [...client.publicKeys] })
      : createRemoteJWKSet(new URL(client.jwksUri), { timeoutDuration: 5000 })
  // Times are checked by the caller against the tenant's own clock.
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
