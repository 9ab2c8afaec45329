import type { IncomingMessage, ServerResponse } from 'node:http'
import { impersonatedTokens, type LoginStore, type QlikClient, QlikOAuthError, type UserLookup } from 'qlik-oauth'
import { quoted, scopeList } from 'qlik-oauth/internal'
import { publicLocation } from './http/location/public-location.ts'
import { configurationError, invalidOption, rejectUnknownOptions } from './http/options/option-checks.ts'
import { httpError, sendError } from './http/response/error-response.ts'
import { requireSameOrigin } from './http/same-origin.ts'
import { loginStore } from './login/options/auth-options.ts'

export interface ExposeAccessTokensOptions {
  /** A client that has the impersonation grant and no other grants. */
  readonly client: QlikClient
  /** Shares the tokens between processes. */
  readonly store: LoginStore
  /** Scopes of the tokens that browsers get, separated by spaces. Scopes of administrators are refused. */
  readonly scope: string
  /** Address at which browsers see this application. Only pages of its origin get tokens. */
  readonly publicUrl: string
  /** Finds the user of the tenant for the logged-in user of the application; `undefined` gets 401. */
  readonly userOf: (request: IncomingMessage) => UserLookup | undefined | Promise<UserLookup | undefined>
}

/**
 * Hands access tokens to the page: the endpoint for embeds with `data-get-access-token`. Nothing else in this package
 * sends a token to a browser.
 *
 * A script that gets into the page gets the token and can use it from anywhere until it expires, six hours at Qlik,
 * even after logout. The proxy does not expose the token: use this only for a page that must reach the tenant directly.
 *
 * Mount it at any path. It responds to `POST` from pages of this application with `{"accessToken":"…"}`, never cached.
 * The embed also needs `data-client-id`.
 *
 * @throws ERR_CONFIGURATION
 */
export function exposeAccessTokens(
  options: ExposeAccessTokensOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  rejectUnknownOptions('exposeAccessTokens', options, ['client', 'store', 'scope', 'publicUrl', 'userOf'])
  const { client, userOf } = options
  const store = loginStore(options.store)
  const { origin } = publicLocation(options.publicUrl)
  if (typeof userOf !== 'function') throw invalidOption('userOf', 'a function that finds the user of a request', userOf)
  const scopes = scopeList(options.scope)
  const tooWide = scopes.find(scope => /^admin[._]|^offline_access$|^tenants:/.test(scope))
  if (tooWide !== undefined)
    throw configurationError(`scope must not contain ${quoted(tooWide)}: browsers get these tokens.`)
  const tokensFor = impersonatedTokens({ client, store, scope: scopes.join(' ') })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST')
      throw httpError('ERR_METHOD_NOT_ALLOWED', 'Only POST is allowed.', { allow: ['POST'] })
    requireSameOrigin(request, origin)
    const user = await userOf(request)
    if (user === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not authenticated')
    const accessToken = await tokensFor(user).accessToken()
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' })
    response.end(JSON.stringify({ accessToken }))
  }

  return function exposeAccessTokens(request, response) {
    serve(request, response).catch((error: unknown) => sendError(response, error))
  }
}
