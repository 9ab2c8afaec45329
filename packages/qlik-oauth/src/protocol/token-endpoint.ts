import * as oauth from 'oauth4webapi'
import type { QlikClient } from './client.ts'
import { messageOf, QlikOAuthError, TokenResponseError } from './errors.ts'
import type { Grant } from './grants.ts'
import { isObject } from './json.ts'
import { toRfcTokenResponse } from './token-response.ts'
import { lifetimeSeconds, type TokenSet } from './token-set.ts'

export interface TokenRequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Absolute URL of a token endpoint other than the one in the tenant's metadata. */
  readonly endpoint?: string
  /** Sends JSON instead of a form. @default only where a parameter is an object, which a form cannot carry */
  readonly json?: boolean
  readonly now?: () => number
}

/**
 * Sends a grant to the token endpoint. It is sent once; whether to try again is the caller's decision.
 *
 * @throws TokenResponseError (ERR_TOKEN_REFUSED) when the tenant refused in the protocol's terms; ERR_TOKEN_RESPONSE
 * for an answer that is not a token response; ERR_TENANT_UNREACHABLE and ERR_TENANT_TIMEOUT when there is none;
 * ERR_TOKEN_UNAVAILABLE for 429 and 5xx.
 */
export async function requestTokens(
  client: QlikClient,
  grant: Grant,
  options: TokenRequestOptions = {},
): Promise<TokenSet> {
  const { signal, now = Date.now } = options
  const metadata = await client.metadata(signal)
  const endpoint = options.endpoint ?? metadata.tokenEndpoint
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
    proof(client, endpoint),
    grant_type,
    flat(parameters),
    {
      [oauth.allowInsecureRequests]: client.tenant.startsWith('http:'),
      [oauth.customFetch]: async (url, init) => {
        const answer = await client.http.request({
          method: 'POST',
          path: pathOf(url),
          signal,
          ...encoded(init.body, init.headers, parameters, options.json),
        })
        date = String(answer.headers.date ?? '')
        refuseUnavailable(answer.status, answer.headers['retry-after'])
        return toRfcTokenResponse(answer, grant_type)
      },
    },
  )

  const issuedAt = now()
  const tokens = await understood(server, client, response)
  const { refresh_token, scope } = tokens
  return {
    accessToken: tokens.access_token,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    ...(scope === undefined ? {} : { scope }),
    issuedAt,
    expiresAt: issuedAt + lifetimeSeconds(tokens, date, issuedAt) * 1000,
  }
}

/** Ends a token at the tenant. RFC 7009. Whether Qlik wants the client's proof here is not confirmed, so it is sent. */
export async function revokeToken(
  client: QlikClient,
  token: string,
  hint: 'access_token' | 'refresh_token',
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const { revocationEndpoint, issuer } = await client.metadata(options.signal)
  const server = { issuer, revocation_endpoint: revocationEndpoint }
  await oauth.revocationRequest(
    server,
    { client_id: client.clientId },
    proof(client, `${client.tenant}/oauth/token`),
    token,
    {
      additionalParameters: { token_type_hint: hint },
      [oauth.allowInsecureRequests]: client.tenant.startsWith('http:'),
      [oauth.customFetch]: async (url, init) => {
        const answer = await client.http.request({
          method: 'POST',
          path: pathOf(url),
          signal: options.signal,
          ...encoded(init.body, init.headers, {}),
        })
        if (answer.status >= 400)
          throw new QlikOAuthError(
            'ERR_TENANT_RESPONSE',
            `The revocation endpoint of ${client.tenant} answered ${answer.status}`,
          )
        return new Response(null, { status: 200 })
      },
    },
  )
}

async function understood(
  server: oauth.AuthorizationServer,
  client: QlikClient,
  response: Response,
): Promise<oauth.TokenEndpointResponse> {
  try {
    const tokens = await oauth.processGenericTokenEndpointResponse(server, { client_id: client.clientId }, response)
    // Nobody asked for an ID token and none is used; one that comes anyway must still be the tenant's, or the answer is
    // not.
    if (tokens.id_token !== undefined) {
      await oauth.validateApplicationLevelSignature(server, response, {
        [oauth.allowInsecureRequests]: client.tenant.startsWith('http:'),
        [oauth.customFetch]: async url => asResponse(await client.http.request({ path: pathOf(url) })),
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
    // The cause holds the response and with it tokens: only its words are kept.
    throw new QlikOAuthError(
      'ERR_TOKEN_RESPONSE',
      `The token endpoint of ${client.tenant} answered ${response.status} with something else than tokens: ${messageOf(cause)}`,
    )
  }
}

function proof(client: QlikClient, endpoint: string): oauth.ClientAuth {
  return async (_server, _client, body, headers) => {
    const { parameters, headers: added = {} } = await client.authentication.authenticate(client.clientId, endpoint)
    for (const [name, value] of Object.entries(parameters)) body.set(name, value)
    for (const [name, value] of Object.entries(added)) headers.set(name, value)
  }
}

function flat(parameters: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(parameters).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return Object.fromEntries(texts)
}

/** A form, as RFC 6749 has it; parameters that are objects, such as Qlik's `user_lookup`, exist in JSON only. */
function encoded(
  form: unknown,
  headers: unknown,
  parameters: Readonly<Record<string, unknown>>,
  json = false,
): { body: string; headers: Record<string, string> } {
  const sent = Object.fromEntries(
    Object.entries(isObject(headers) ? headers : {}).map(([name, value]) => [name, String(value)]),
  )
  const text = String(form)
  const nested = Object.entries(parameters).filter(([, value]) => isObject(value))
  if (nested.length === 0 && !json) return { body: text, headers: sent }

  const body = JSON.stringify({ ...Object.fromEntries(new URLSearchParams(text)), ...Object.fromEntries(nested) })
  return { body, headers: { ...sent, 'content-type': 'application/json' } }
}

function refuseUnavailable(status: number, retryAfter: string | string[] | undefined): void {
  if (status !== 429 && status < 500) return
  const seconds = Number(retryAfter)
  throw new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', `The token endpoint answered ${status}`, {
    ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterSeconds: Math.min(seconds, 3600) } : {}),
  })
}

function asResponse(answer: { status: number; text: string }): Response {
  return new Response(answer.text, { status: answer.status, headers: { 'content-type': 'application/json' } })
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
