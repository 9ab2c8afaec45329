import type { IncomingMessage, ServerResponse } from 'node:http'
import { impersonatedTokens, type LoginStore, type QlikClient, QlikOAuthError, type UserLookup } from 'qlik-oauth'
import { scopeList } from 'qlik-oauth/internal'
import { sendError } from './http/error-response.ts'
import { httpError } from './http/http-error.ts'
import { requireSameOrigin } from './http/same-origin.ts'
import { configuration, publicOrigin } from './login/tenant-registry.ts'

export interface ExposeAccessTokensOptions {
  /** A client with the impersonation grant, and no other right. */
  readonly client: QlikClient
  readonly store: LoginStore
  /**
   * Scopes of the tokens that browsers get; no default, because every one of them leaves the server. Scopes of
   * administrators are refused.
   */
  readonly scope: string
  readonly publicUrl: string
  /** The user of the tenant that the host application's user is; `undefined` for somebody who is not logged in. */
  readonly userOf: (request: IncomingMessage) => UserLookup | undefined | Promise<UserLookup | undefined>
}

/**
 * Hands access tokens to the page: the endpoint for embeds with `data-get-access-token`. Nothing else in this package
 * does.
 *
 * The price: a script that gets into the page gets the token, and can use it from anywhere until it ends (six hours at
 * Qlik), whatever happens to the login meanwhile. The proxy has neither problem; take this only where a page must talk
 * to the tenant directly.
 *
 * Mount it at a path of your choice. It answers `POST` from pages of this application with `{"accessToken":"…"}`, never
 * to be cached. The embed wants `data-client-id` as well, though it uses no more of the client than that.
 *
 * @throws ERR_CONFIGURATION
 */
export function exposeAccessTokens(
  options: ExposeAccessTokensOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { client, store, userOf } = options
  const own = publicOrigin(options.publicUrl)
  const scopes = scopeList(options.scope)
  const tooWide = scopes.find(scope => /^admin[._]|^offline_access$|^tenants:/.test(scope))
  if (tooWide !== undefined)
    throw configuration(`scope must not hold ${JSON.stringify(tooWide)}: these tokens go to browsers.`)
  const tokensFor = impersonatedTokens({ client, store, scope: scopes.join(' ') })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST')
      throw httpError('ERR_METHOD_NOT_ALLOWED', 'This address takes POST only.', { allow: ['POST'] })
    requireSameOrigin(request, own)
    const user = await userOf(request)
    if (user === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not logged in')
    const accessToken = await tokensFor(user).accessToken()
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' })
    response.end(JSON.stringify({ accessToken }))
  }

  return function exposeAccessTokens(request, response) {
    serve(request, response).catch((error: unknown) => sendError(response, error))
  }
}
