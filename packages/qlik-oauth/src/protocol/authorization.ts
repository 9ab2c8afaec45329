import * as oauth from 'oauth4webapi'
import { internalsOf, type QlikClient } from './client.ts'
import { QlikOAuthError } from './errors.ts'
import { originOf } from './tenant-host.ts'

export interface AuthorizationRequest {
  /** Where to send the browser. */
  readonly url: string
  /** Secret of PKCE that redeems the code. RFC 7636, section 4.1. */
  readonly codeVerifier: string
}

export interface AuthorizationRequestOptions {
  readonly redirectUri: string
  readonly state: string
  readonly prompt?: 'none' | 'login' | 'consent'
  readonly loginHint?: string
  /** Seconds after which the tenant authenticates the user again. */
  readonly maxAge?: number
  /** Further parameters. Those of the protocol take precedence. */
  readonly parameters?: Readonly<Record<string, string>>
}

/**
 * Builds an authorization request with PKCE S256. Qlik documents PKCE as required for confidential clients too. RFC
 * 6749 section 4.1.1, RFC 7636 section 4.3.
 *
 * @throws The errors of the metadata request.
 */
export async function createAuthorizationRequest(
  client: QlikClient,
  { redirectUri, state, prompt, loginHint, maxAge, parameters: further }: AuthorizationRequestOptions,
): Promise<AuthorizationRequest> {
  const { authorizationEndpoint } = await internalsOf(client).metadata()
  const codeVerifier = oauth.generateRandomCodeVerifier()
  const url = new URL(authorizationEndpoint)
  const parameters = {
    ...further,
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirectUri,
    scope: client.scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    ...(prompt === undefined ? {} : { prompt }),
    ...(loginHint === undefined ? {} : { login_hint: loginHint }),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  }
  // "+" is a space in form bodies only, "%20" everywhere.
  url.search = new URLSearchParams(parameters).toString().replaceAll('+', '%20')
  return { url: url.href, codeVerifier }
}

/**
 * Checks an authorization response: no repeated parameter, the expected `state`, the issuer of the tenant as `iss` (RFC
 * 9207).
 *
 * @param state The state of the authorization request, which the caller looked the transaction up by.
 * @returns The authorization code.
 * @throws ERR_LOGIN_DENIED for an error response of the tenant, ERR_CALLBACK_INVALID for any other invalid response;
 * the errors of the metadata request.
 */
export async function validateAuthorizationResponse(
  client: QlikClient,
  parameters: URLSearchParams,
  state: string,
): Promise<string> {
  // RFC 6749, section 3.1: parameters must not be repeated.
  const repeated = (name: string) => parameters.getAll(name).length > 1 || parameters.has(`${name}[]`)
  if (['code', 'state', 'iss', 'error'].some(repeated))
    throw invalidResponse('The authorization response repeats a parameter')

  const { issuer, issuers, issSupported } = await internalsOf(client).metadata()
  const iss = parameters.get('iss')
  if (iss === null ? issSupported : !issuers.includes(iss)) {
    const received = iss === null ? 'no issuer' : `the issuer ${originOf(iss)}`
    throw invalidResponse(`The authorization response names ${received}, expected ${issuer}`)
  }
  try {
    const server = { issuer: iss ?? issuer, authorization_response_iss_parameter_supported: issSupported }
    oauth.validateAuthResponse(server, { client_id: client.clientId }, parameters, state)
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) throw denied(cause.error)
    throw invalidResponse('The authorization response is malformed')
  }
  const code = parameters.get('code')
  if (code === null || code === '') throw invalidResponse('The authorization response has no code')
  return code
}

function invalidResponse(message: string): QlikOAuthError {
  return new QlikOAuthError('ERR_CALLBACK_INVALID', message)
}

function denied(error: string): QlikOAuthError {
  // The value comes from the browser: only an error code in the alphabet of RFC 6749, section 4.1.2.1 is repeated.
  const name = /^[a-z_]{1,40}$/.test(error) ? error : 'an unknown error'
  return new QlikOAuthError('ERR_LOGIN_DENIED', `The tenant denied the login: ${name}`)
}
