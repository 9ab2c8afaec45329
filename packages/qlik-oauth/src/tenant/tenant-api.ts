import { QlikOAuthError, type TenantErrorDetail, TenantResponseError } from '../protocol/errors.ts'
import { isObject, parseJson } from '../protocol/json.ts'
import {
  configurationError,
  hasMethods,
  invalidOption,
  quoted,
  rejectUnknownOptions,
  wholeNumber,
} from '../protocol/option-checks.ts'
import { originOf } from '../protocol/tenant-host.ts'
import {
  followRedirects,
  retryAfterSeconds,
  type TenantRequest,
  type TenantResponse,
  tenantHttp,
  withoutQuery,
} from '../protocol/tenant-http.ts'
import { pathOnTenant, tenantOrigin } from '../protocol/tenant-origin.ts'
import { hostOf, type TokenSource } from '../tokens/token-source.ts'
import { withAccessToken } from '../tokens/with-access-token.ts'

export interface TenantApiRequest extends Omit<TenantRequest, 'body'> {
  /** Body that is sent as JSON. */
  readonly json?: unknown
  /** Body that is sent as it is; set its `content-type` in `headers`. */
  readonly body?: string | Uint8Array
}

/** The REST API of one tenant, called with the tokens of one source. */
export interface TenantApi {
  /** Origin of the tenant. */
  readonly tenant: string
  /**
   * @returns The response, with a status below 300.
   * @throws TenantResponseError (ERR_TENANT_REFUSED) for a status of 400 or above; ERR_TENANT_RESPONSE,
   * ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT; ERR_CONFIGURATION for an invalid path; the errors of the token source.
   */
  request(request: TenantApiRequest): Promise<TenantResponse>
  /** Like `request`, for a response that must be a JSON object. */
  json(request: TenantApiRequest): Promise<Record<string, unknown>>
  /**
   * All entries of a list, page after page.
   *
   * @throws ERR_TENANT_RESPONSE for a link to another host, where the token is not sent; the errors of `request`.
   */
  list(path: string, signal?: AbortSignal): AsyncGenerator<Record<string, unknown>, void, undefined>
  /** Closes the connections; requests in progress fail. */
  close(): Promise<void>
}

export interface TenantApiOptions {
  /** Its `tenant` is the host that is called. */
  readonly tokens: TokenSource
  /** Milliseconds for one request, its response included. @default 20000 */
  readonly timeoutMs?: number
}

/**
 * Calls the REST API of a tenant, for small JSON responses.
 *
 * When the tenant rejects the token with 401, the token is renewed and the request sent once more. Redirects of GET
 * requests are followed on the tenant's host.
 *
 * @throws ERR_CONFIGURATION for an invalid option.
 * @example
 * const api = tenantApi({ tokens: machineTokens({ client, store }) })
 * for await (const space of api.list('/api/v1/spaces')) console.log(space.name)
 */
export function tenantApi(options: TenantApiOptions): TenantApi {
  rejectUnknownOptions('tenantApi', options, ['tokens', 'timeoutMs'])
  const { tokens } = options
  if (!hasMethods(tokens, ['accessToken']))
    throw invalidOption('tokens', 'a token source, such as machineTokens(…) returns', tokens)
  const tenant = tenantOrigin(tokens.tenant, 'tokens.tenant')
  const host = hostOf(tokens)
  const http = tenantHttp(host, wholeNumber('timeoutMs', options.timeoutMs, 20_000), tokens.client?.apiVersion)

  async function send(request: TenantApiRequest): Promise<TenantResponse> {
    const { json, ...rest } = request
    const { method = 'GET', path, signal } = rest
    checkApiPath(path)
    const authorized = (accessToken: string): TenantRequest => ({
      ...rest,
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...rest.headers,
        authorization: `Bearer ${accessToken}`,
      },
    })
    const response = await withAccessToken(
      tokens,
      accessToken => {
        const sent = authorized(accessToken)
        if (method !== 'GET') return http.request(sent)
        return followRedirects(host, path, current => http.request({ ...sent, path: current }))
      },
      { isRejected: ({ status }) => status === 401, signal },
    )
    if (response.status < 300) return response
    if (response.status >= 400) throw errorOf(response, `${tenant} returned ${response.status} for ${nameOf(request)}`)
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tenant} redirects ${nameOf(request)}, which is not sent again`)
  }

  async function json(request: TenantApiRequest): Promise<Record<string, unknown>> {
    const { text } = await send(request)
    const value = parseJson(text)
    if (value !== undefined) return value
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tenant} returned no JSON object for ${nameOf(request)}`)
  }

  return {
    tenant,
    request: send,
    json,
    async *list(path, signal) {
      const visited = new Set<string>()
      for (let next: string | undefined = path; next !== undefined; ) {
        visited.add(next)
        const page = await json({ path: next, signal })
        if (!Array.isArray(page.data)) throw invalidList(path, 'has no data')
        yield* page.data.filter(isObject)

        const link: unknown = isObject(page.links) && isObject(page.links.next) ? page.links.next.href : undefined
        if (link === undefined || link === null || link === '') return
        const current = next
        next = pathOnTenant(link, tenant, current, host.aliases)
        if (next === undefined) throw invalidList(path, linksTo(link))
        if (visited.has(next)) throw invalidList(path, 'links to a page that was read before')
      }
    },
    close: () => http.close(),
  }

  function invalidList(path: string, fault: string): QlikOAuthError {
    return new QlikOAuthError('ERR_TENANT_RESPONSE', `The list ${withoutQuery(path)} of ${tenant} ${fault}`)
  }
}

function linksTo(link: unknown): string {
  return `links to ${originOf(link)}, where the token is not sent. If that is another name of this tenant, list it in aliases of its client`
}

/** @throws ERR_CONFIGURATION for anything but a path on the tenant. */
export function checkApiPath(path: unknown): void {
  if (typeof path === 'string' && /^\/(?!\/)[^\s\\#]*$/.test(path)) return
  throw configurationError(`path must begin with one slash, such as "/api/v1/items", got ${quoted(path)}.`)
}

function errorOf({ status, headers, text }: TenantResponse, message: string): TenantResponseError {
  const body = parseJson(text)
  return new TenantResponseError({
    message,
    status,
    errors: Array.isArray(body?.errors) ? body.errors.filter(isObject).map(errorDetail) : [],
    traceId: typeof body?.traceId === 'string' ? body.traceId : undefined,
    retryAfterSeconds: retryAfterSeconds(headers),
  })
}

function errorDetail({ code, title, detail }: Record<string, unknown>): TenantErrorDetail {
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 300) : undefined)
  const shortened = text(detail)
  return { code: text(code) ?? '', title: text(title) ?? '', ...(shortened === undefined ? {} : { detail: shortened }) }
}

function nameOf({ method = 'GET', path }: TenantApiRequest): string {
  return `${method} ${withoutQuery(path)}`
}
