import * as oauth from 'oauth4webapi'
import { internalsOf, type QlikClient } from './client.ts'
import { messageOf, QlikOAuthError, TokenResponseError } from './errors.ts'
import type { Grant } from './grants.ts'
import { isObject } from './json.ts'
import { invalidOption } from './option-checks.ts'
import { retryAfterSeconds, type TenantResponse } from './tenant-http.ts'
import { pathOnTenant } from './tenant-origin.ts'
import { toRfcTokenResponse } from './token-response.ts'
import { lifetimeSeconds, type TokenSet } from './token-set.ts'

export interface TokenRequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Absolute URL of a token endpoint on the tenant's host. @default the one of the tenant's metadata */
  readonly endpoint?: string
  /** Sends JSON instead of a form. @default true where a parameter is an object, which a form cannot carry */
  readonly json?: boolean
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
}

/**
 * Sends a grant to the token endpoint, once. The caller decides whether to retry.
 *
 * @throws TokenResponseError (ERR_TOKEN_REFUSED) for an error response of RFC 6749; ERR_TOKEN_UNAVAILABLE for 429 and
 * 5xx; ERR_TOKEN_RESPONSE for any other response without tokens; ERR_TENANT_UNREACHABLE and ERR_TENANT_TIMEOUT without
 * a response; ERR_OUTBOUND_PROXY_* for a proxy on the way; ERR_ISSUER for metadata of another host; ERR_CONFIGURATION
 * for an endpoint on another host; the reason of the signal.
 */
export async function requestTokens(
  client: QlikClient,
  grant: Grant,
  options: TokenRequestOptions = {},
): Promise<TokenSet> {
  const { signal, now = Date.now } = options
  const { http, metadata: metadataOf } = internalsOf(client)
  const metadata = await metadataOf(signal)
  const endpoint = options.endpoint ?? metadata.tokenEndpoint
  if (pathOnTenant(endpoint, client.tenant) === undefined)
    throw invalidOption('endpoint', `a URL at ${client.tenant}`, options.endpoint)
  const server: oauth.AuthorizationServer = {
    issuer: metadata.issuer,
    token_endpoint: endpoint,
    jwks_uri: metadata.jwksUri,
    id_token_signing_alg_values_supported: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'PS256'],
  }
  const { grant_type, ...parameters } = grant
  let date: string | undefined

  const response = await oauth.genericTokenEndpointRequest(
    server,
    { client_id: client.clientId },
    authentication(client, endpoint),
    grant_type,
    formParameters(parameters),
    {
      [oauth.allowInsecureRequests]: client.tenant.startsWith('http:'),
      [oauth.customFetch]: async (url, init) => {
        const received = await http.request({
          method: 'POST',
          path: pathOf(url),
          signal,
          ...encoded(init.body, init.headers, parameters, options.json),
        })
        date = String(received.headers.date ?? '')
        throwIfUnavailable(received)
        return toRfcTokenResponse(received, grant_type)
      },
    },
  )

  const issuedAt = now()
  const tokens = await readTokens(server, client, response)
  const { refresh_token, scope } = tokens
  return {
    accessToken: tokens.access_token,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    ...(scope === undefined ? {} : { scope }),
    issuedAt,
    expiresAt: issuedAt + lifetimeSeconds(tokens, date, issuedAt) * 1000,
  }
}

async function readTokens(
  server: oauth.AuthorizationServer,
  client: QlikClient,
  response: Response,
): Promise<oauth.TokenEndpointResponse> {
  try {
    const tokens = await oauth.processGenericTokenEndpointResponse(server, { client_id: client.clientId }, response)
    // oauth4webapi knows DPoP too, whose tokens are no bearer tokens.
    if (tokens.token_type !== 'bearer') throw new Error('unsupported `token_type` value')
    // An ID token is not requested and not used. One that was not signed by the tenant makes the response invalid.
    if (tokens.id_token !== undefined) {
      await oauth.validateApplicationLevelSignature(server, response, {
        [oauth.allowInsecureRequests]: client.tenant.startsWith('http:'),
        [oauth.customFetch]: async url => {
          const { status, text } = await internalsOf(client).http.request({ path: pathOf(url) })
          return new Response(text, { status, headers: { 'content-type': 'application/json' } })
        },
      })
    }
    return tokens
  } catch (cause) {
    if (cause instanceof oauth.ResponseBodyError) {
      const { error_description, qlik_code } = cause.cause
      throw new TokenResponseError({
        error: cause.error,
        errorDescription: typeof error_description === 'string' ? error_description : undefined,
        qlikCode: typeof qlik_code === 'string' ? qlik_code : undefined,
        status: cause.status,
      })
    }
    // `cause` holds the response with its tokens: only its message is kept.
    throw new QlikOAuthError(
      'ERR_TOKEN_RESPONSE',
      `The token endpoint of ${client.tenant} returned ${response.status} without valid tokens: ${messageOf(cause)}`,
    )
  }
}

/** Client authentication as oauth4webapi calls it. */
function authentication(client: QlikClient, endpoint: string): oauth.ClientAuth {
  return async (_server, _client, body, headers) => {
    const credentials = await client.authentication.authenticate(client.clientId, endpoint)
    for (const [name, value] of Object.entries(credentials.parameters)) body.set(name, value)
    for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name, value)
  }
}

/** The parameters that a form can carry. */
function formParameters(parameters: Readonly<Record<string, unknown>>): Record<string, string> {
  const flat = Object.entries(parameters).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
  return Object.fromEntries(flat.map(([name, value]) => [name, String(value)]))
}

/** A form, as RFC 6749 specifies. Parameters that are objects, such as Qlik's `user_lookup`, require JSON. */
function encoded(
  form: unknown,
  headers: unknown,
  parameters: Readonly<Record<string, unknown>>,
  json = false,
): { body: string; headers: Record<string, string> } {
  const sent = Object.fromEntries(
    Object.entries(isObject(headers) ? headers : {}).map(([name, value]) => [name, String(value)]),
  )
  const body = String(form)
  const nested = Object.entries(parameters).filter(([, value]) => isObject(value))
  if (nested.length === 0 && !json) return { body, headers: sent }
  return {
    body: JSON.stringify({ ...Object.fromEntries(new URLSearchParams(body)), ...Object.fromEntries(nested) }),
    headers: { ...sent, 'content-type': 'application/json' },
  }
}

function throwIfUnavailable({ status, headers }: TenantResponse): void {
  if (status !== 429 && status < 500) return
  throw new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', `The token endpoint returned ${status}`, {
    retryAfterSeconds: retryAfterSeconds(headers),
  })
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
