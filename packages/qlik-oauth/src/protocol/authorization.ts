import * as oauth from 'oauth4webapi'
import type { QlikClient } from './client.ts'
import { QlikOAuthError } from './errors.ts'

export interface AuthorizationRequest {
  /** Where the browser goes. */
  readonly url: string
  readonly codeVerifier: string
}

export interface AuthorizationRequestOptions {
  readonly redirectUri: string
  readonly state: string
  readonly prompt?: 'none' | 'login' | 'consent'
  readonly loginHint?: string
  /** Seconds after which a login at the tenant counts as too old. */
  readonly maxAge?: number
}

/**
 * Builds an authorization request with PKCE S256, which Qlik documents as required for confidential clients too. RFC
 * 6749 section 4.1.1, RFC 7636.
 */
export async function createAuthorizationRequest(
  client: QlikClient,
  options: AuthorizationRequestOptions,
): Promise<AuthorizationRequest> {
  const { authorizationEndpoint } = await client.metadata()
  const codeVerifier = oauth.generateRandomCodeVerifier()
  const url = new URL(authorizationEndpoint)
  const parameters = {
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: options.redirectUri,
    scope: client.scope,
    state: options.state,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    ...(options.prompt === undefined ? {} : { prompt: options.prompt }),
    ...(options.loginHint === undefined ? {} : { login_hint: options.loginHint }),
    ...(options.maxAge === undefined ? {} : { max_age: String(options.maxAge) }),
  }
  // Qlik separates scopes by spaces; "+" is a space in forms only, "%20" is one everywhere.
  url.search = new URLSearchParams(parameters).toString().replaceAll('+', '%20')
  return { url: url.href, codeVerifier }
}

/**
 * Checks an authorization response: nothing twice, the right `state`, the right `iss` (RFC 9207). The state has been
 * looked up by the caller; it is compared again here.
 *
 * @returns The authorization code.
 * @throws ERR_LOGIN_DENIED when the tenant reports an error, ERR_CALLBACK_INVALID for everything else.
 */
export async function validateAuthorizationResponse(
  client: QlikClient,
  parameters: URLSearchParams,
  state: string,
): Promise<string> {
  // RFC 6749, section 3.1: no parameter twice. Which one would count is nobody's choice.
  if (
    ['code', 'state', 'iss', 'error'].some(name => parameters.getAll(name).length > 1 || parameters.has(`${name}[]`))
  ) {
    throw new QlikOAuthError('ERR_CALLBACK_INVALID', 'The authorization response names a parameter twice')
  }
  const metadata = await client.metadata()
  const server = { issuer: metadata.issuer, authorization_response_iss_parameter_supported: metadata.issPromised }
  const iss = parameters.getAll('iss')
  if (iss.length === 1 ? iss[0] !== metadata.issuer : metadata.issPromised) {
    throw new QlikOAuthError(
      'ERR_CALLBACK_INVALID',
      `The authorization response names another issuer than ${metadata.issuer}, or none`,
    )
  }
  try {
    oauth.validateAuthResponse(server, { client_id: client.clientId }, parameters, state)
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) throw denied(cause.error)
    throw new QlikOAuthError('ERR_CALLBACK_INVALID', 'The authorization response is not well-formed')
  }
  const code = parameters.get('code')
  if (code === null || code === '')
    throw new QlikOAuthError('ERR_CALLBACK_INVALID', 'The authorization response carries no code')
  return code
}

function denied(error: string): QlikOAuthError {
  // The tenant's words come through the browser, so only an error of the RFC's alphabet is repeated.
  const name = /^[a-z_]{1,40}$/.test(error) ? error : 'an unknown error'
  return new QlikOAuthError('ERR_LOGIN_DENIED', `The tenant ended the login with ${name}`)
}
