import { QlikOAuthError, type TenantErrorDetail, TenantResponseError } from '../protocol/errors.ts'
import { isObject, parseJson } from '../protocol/json.ts'
import { type TenantHttp, type TenantRequest, type TenantResponse, tenantHttp } from '../protocol/tenant-http.ts'
import { quoted } from '../protocol/tenant-origin.ts'
import type { TokenSource } from '../tokens/token-source.ts'

export interface ApiRequest extends Omit<TenantRequest, 'body'> {
  /** Sent as JSON. */
  readonly json?: unknown
  readonly body?: string | Uint8Array
}

/** The REST API of one tenant, called with the tokens of one source. */
export interface TenantApi {
  readonly tenant: string
  /**
   * @returns The answer, whose status is below 300.
   * @throws TenantResponseError (ERR_TENANT_REFUSED) with the tenant's own words; ERR_TENANT_RESPONSE,
   * ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT, and the errors of the token source.
   */
  request(request: ApiRequest): Promise<TenantResponse>
  /** The same for an answer that must be a JSON object. */
  json(request: ApiRequest): Promise<Record<string, unknown>>
  /** All entries of a list, page after page. A link to another host is an error: the token stays with its tenant. */
  list(path: string, signal?: AbortSignal): AsyncGenerator<Record<string, unknown>, void, undefined>
}

export interface TenantApiOptions {
  /** Its `tenant` is the host that is called. */
  readonly tokens: TokenSource
  /** Limit for one request. @default 20000 */
  readonly timeoutMs?: number
}

/**
 * Calls the REST API of a tenant for administration: small answers, in JSON.
 *
 * A token that the tenant answers with 401 is renewed once, and the request is sent once more. Redirects of reading
 * requests are followed on the tenant's host.
 *
 * @example
 * const api = tenantApi({ tokens: machineTokens({ client, store }) })
 * for await (const space of api.list('/api/v1/spaces')) console.log(space.name)
 */
export function tenantApi({ tokens, timeoutMs }: TenantApiOptions): TenantApi {
  const http = tenantHttp(tokens.tenant, timeoutMs)

  async function request(request: ApiRequest): Promise<TenantResponse> {
    let { path } = request
    for (let hops = 0; hops < 4; hops++) {
      const answer = await authorized(http, tokens, { ...request, path: apiPath(path) })
      if (answer.status < 300) return answer
      if (answer.status >= 400) throw refusal(answer, request, tokens.tenant)
      if ((request.method ?? 'GET') !== 'GET') break
      path = onTenant(answer.headers.location, path)
    }
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tokens.tenant} answers ${nameOf(request)} with redirects only`)
  }

  async function json(asked: ApiRequest): Promise<Record<string, unknown>> {
    const answer = await request(asked)
    const value = parseJson(answer.text)
    if (value === undefined)
      throw new QlikOAuthError(
        'ERR_TENANT_RESPONSE',
        `${tokens.tenant} answered ${nameOf(asked)} without a JSON object`,
      )
    return value
  }

  function onTenant(link: unknown, path: string): string {
    const url =
      typeof link === 'string' && URL.canParse(link, tokens.tenant + path)
        ? new URL(link, tokens.tenant + path)
        : undefined
    if (url?.origin === tokens.tenant) return url.pathname + url.search
    throw new QlikOAuthError(
      'ERR_TENANT_RESPONSE',
      `${tokens.tenant} links to another host, where the token does not go: ${url?.origin ?? 'no address'}`,
    )
  }

  return {
    tenant: tokens.tenant,
    request,
    json,
    async *list(path, signal) {
      const seen = new Set<string>()
      for (let next: string | undefined = path; next !== undefined; ) {
        if (seen.has(next))
          throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tokens.tenant} links a page of ${path} to itself`)
        seen.add(next)
        const page = await json({ path: next, signal })
        if (!Array.isArray(page.data))
          throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tokens.tenant} answered ${path} without a list`)
        yield* page.data.filter(isObject)
        const link: unknown = isObject(page.links) && isObject(page.links.next) ? page.links.next.href : undefined
        next = link === undefined || link === null || link === '' ? undefined : onTenant(link, next)
      }
    },
  }
}

async function authorized(
  http: TenantHttp,
  tokens: TokenSource,
  { json, headers, ...request }: ApiRequest,
): Promise<TenantResponse> {
  const { signal } = request
  const send = (token: string) =>
    http.request({
      ...request,
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
        authorization: `Bearer ${token}`,
      },
    })
  const token = await tokens.accessToken({ ...(signal === undefined ? {} : { signal }) })
  const answer = await send(token)
  if (answer.status !== 401) return answer
  return await send(await tokens.accessToken({ rejected: token, ...(signal === undefined ? {} : { signal }) }))
}

/** @throws ERR_CONFIGURATION for what is not a path on the tenant. */
function apiPath(path: unknown): string {
  if (typeof path === 'string' && /^\/(?!\/)[^\s\\#]*$/.test(path)) return path
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `The path must begin with one slash, such as "/api/v1/items", got ${quoted(path)}.`,
  )
}

function refusal(answer: TenantResponse, request: ApiRequest, tenant: string): QlikOAuthError {
  const body = parseJson(answer.text)
  const errors = Array.isArray(body?.errors) ? body.errors.filter(isObject).map(refusalDetail) : []
  const retryAfter = Number(answer.headers['retry-after'])
  return new TenantResponseError({
    message: `${tenant} answered ${nameOf(request)} with ${answer.status}`,
    status: answer.status,
    errors,
    traceId: typeof body?.traceId === 'string' ? body.traceId : undefined,
    ...(retryAfter > 0 ? { retryAfterSeconds: Math.min(retryAfter, 3600) } : {}),
  })
}

function refusalDetail({ code, title, detail }: Record<string, unknown>): TenantErrorDetail {
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 300) : undefined)
  const words = text(detail)
  return { code: text(code) ?? '', title: text(title) ?? '', ...(words === undefined ? {} : { detail: words }) }
}

function nameOf({ method = 'GET', path }: ApiRequest): string {
  return `${method} ${path.split('?', 1)[0]}`
}
