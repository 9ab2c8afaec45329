import type { IncomingMessage } from 'node:http'
import type { QlikUser, TokenSource } from 'qlik-oauth'
import { internalsOf, type Login, pathOnTenant, versionHeader, withAccessToken } from 'qlik-oauth/internal'
import { httpError } from '../../http/response/error-response.ts'

/** The login of a request behind a guard: `req.qlik`. */
export interface RequestLogin {
  /** Identifies the login in `qlik.logins(userId)`; not secret. */
  readonly id: string
  readonly user: QlikUser
  /** Granted scopes, separated by spaces. */
  readonly scope: string
  /** Origin of the tenant. */
  readonly tenant: string
  /** When the login ends, regardless of activity. */
  readonly expiresAt: Date
  /**
   * An access token that is valid now, for calls from this server. Never send it to the browser.
   *
   * @throws ERR_SESSION_EXPIRED, ERR_TOKEN_UNAVAILABLE, ERR_STORE_UNAVAILABLE
   */
  accessToken(): Promise<string>
  /**
   * Calls the tenant as the user. Redirects are not followed. When the tenant rejects the access token, it is refreshed
   * and a request without a body, or with a string as body, is sent once more.
   *
   * @param path Path on the tenant, such as `/api/v1/items`.
   * @throws ERR_PATH_REFUSED for anything else, and the errors of `accessToken`.
   */
  fetch(path: string, init?: RequestInit): Promise<Response>
}

declare global {
  namespace Express {
    interface Request {
      /** Set by `requireLogin` and `requireScope`, and by `optionalLogin` when the user is logged in. */
      qlik?: RequestLogin
    }
  }
}

export function requestLogin(login: Login, request: IncomingMessage): RequestLogin {
  const tokens = tokensFor(login, request)
  const {
    user,
    tenant,
    endsAt,
    tokens: { scope },
  } = login.record
  return {
    id: login.key,
    // A copy, because other requests of the login share the record.
    user: { ...user },
    scope: scope ?? '',
    tenant,
    expiresAt: new Date(endsAt),
    accessToken: () => tokens.accessToken(),
    fetch: tenantFetch(tokens),
  }
}

/** `fetch` of a login: calls its tenant with its access token. */
export function tenantFetch(tokens: TokenSource): RequestLogin['fetch'] {
  return async (path, init = {}) => {
    const target = path.startsWith('/') ? pathOnTenant(path, tokens.tenant) : undefined
    if (target === undefined)
      throw httpError('ERR_PATH_REFUSED', 'req.qlik.fetch takes a path on the tenant, such as "/api/v1/items".')
    const isRepeatable = init.body === undefined || init.body === null || typeof init.body === 'string'
    return await withAccessToken(tokens, accessToken => send(tokens, target, init, accessToken), {
      isRejected: response => isRepeatable && response.status === 401,
      discard: response => response.body?.cancel(),
    })
  }
}

/** The token source of a login, whose events name the request. */
export function tokensFor(login: Login, request: IncomingMessage): TokenSource {
  return {
    tenant: login.tenant,
    client: login.client,
    accessToken: options => login.accessToken({ ...options, context: request }),
  }
}

function send(
  { tenant, client }: TokenSource,
  path: string,
  init: RequestInit,
  accessToken: string,
): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${accessToken}`)
  for (const [name, value] of Object.entries(versionHeader(path, client?.apiVersion)))
    if (!headers.has(name)) headers.set(name, value)
  return fetch(tenant + path, { ...connections(client), ...init, headers, redirect: 'manual' })
}

/**
 * The option `dispatcher` of Node's `fetch`, where the client names a way of its own to the tenant. Otherwise the
 * application's global dispatcher applies.
 */
function connections(client: TokenSource['client']): object {
  if (client === undefined) return {}
  const { host, streams } = internalsOf(client)
  return host.outbound.isDefault ? {} : { dispatcher: streams() }
}
