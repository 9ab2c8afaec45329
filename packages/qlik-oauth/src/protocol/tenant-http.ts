import { type Dispatcher, Pool } from 'undici'
import { anySignal } from './abort.ts'
import { QlikOAuthError } from './errors.ts'
import { isObject } from './json.ts'
import { originOf, type TenantHost } from './tenant-host.ts'
import { pathOnTenant } from './tenant-origin.ts'

export interface TenantRequest {
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT'
  /** Path on the tenant, with its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

export interface TenantResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Sends requests with small responses to one Qlik Cloud host over kept-alive connections. */
export interface TenantHttp {
  readonly origin: string
  /**
   * Sends the request once, and returns a redirect as it is.
   *
   * @throws ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT, ERR_OUTBOUND_PROXY_*; ERR_CLOSING after `close`; the reason of the
   * request's signal.
   */
  request(request: TenantRequest): Promise<TenantResponse>
  /** Closes the connections; requests in progress fail with ERR_CLOSING. */
  close(): Promise<void>
}

/**
 * @param timeoutMs Limit for a request with its response.
 * @param apiVersion Sent as `qlik-api-version` with requests to the REST API.
 */
export function tenantHttp({ origin, outbound }: TenantHost, timeoutMs = 20_000, apiVersion?: string): TenantHttp {
  const pool: Dispatcher = new Pool(origin, {
    connections: 32,
    maxResponseSize: maxResponseBytes,
    connect: outbound.connector(connectMs(timeoutMs)),
  })
  let isClosed = false

  return {
    origin,
    async request({ method = 'GET', path, headers = {}, body, signal }) {
      const limit = AbortSignal.timeout(timeoutMs)
      try {
        const response = await pool.request({
          method,
          path,
          headers: { accept: 'application/json', ...versionHeader(path, apiVersion), ...headers },
          body: body ?? null,
          signal: anySignal(limit, signal),
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        })
        return { status: response.statusCode, headers: response.headers, text: await response.body.text() }
      } catch (cause) {
        signal?.throwIfAborted()
        if (cause instanceof QlikOAuthError) throw cause
        const where = `${method} ${origin}${withoutQuery(path)}`
        if (isClosed) throw new QlikOAuthError('ERR_CLOSING', `The client was closed: ${where}`, { cause })
        if (limit.aborted)
          throw new QlikOAuthError('ERR_TENANT_TIMEOUT', `No response within ${timeoutMs} ms: ${where}`, { cause })
        throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `No valid response: ${where}${reason(cause)}`, { cause })
      }
    },
    close() {
      isClosed = true
      return pool.destroy()
    },
  }
}

const maxResponseBytes = 1024 * 1024

/** Less than the limit of the request, whose error would hide what could not be connected. */
function connectMs(timeoutMs: number): number {
  return Math.min(Math.ceil(timeoutMs * 0.9), 10_000)
}

/** The header that selects the version of the REST API; other paths have none. */
export function versionHeader(path: string, apiVersion: string | undefined): Readonly<Record<string, string>> {
  return apiVersion !== undefined && path.startsWith('/api/') ? { 'qlik-api-version': apiVersion } : {}
}

/** The code of an error of Node or undici, such as `ECONNREFUSED` or `SELF_SIGNED_CERT_IN_CHAIN`. */
function reason(cause: unknown): string {
  return isObject(cause) && typeof cause.code === 'string' ? ` (${cause.code})` : ''
}

/** The path for messages and logs: a query may hold secrets. */
export function withoutQuery(path: string): string {
  return path.split('?', 1)[0] ?? ''
}

/**
 * Sends a request without a body and follows redirects on the same host; a redirect to an alias is followed on it. A
 * redirect to another host is an error, because the request carries an access token.
 *
 * @param send Sends the request to this path.
 * @param discard Frees what a redirect holds before the next request.
 * @throws ERR_TENANT_RESPONSE for a redirect to another host and after three redirects; the errors of `send`.
 */
export async function followRedirects<Response extends Pick<TenantResponse, 'status' | 'headers'>>(
  { origin, aliases }: Pick<TenantHost, 'origin' | 'aliases'>,
  path: string,
  send: (path: string) => Promise<Response>,
  discard?: (response: Response) => unknown,
): Promise<Response> {
  let current = path
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await send(current)
    if (response.status < 300 || response.status >= 400) return response
    await discard?.(response)
    const next = pathOnTenant(response.headers.location, origin, current, aliases)
    if (next === undefined)
      throw new QlikOAuthError(
        'ERR_TENANT_RESPONSE',
        `${origin} redirects ${withoutQuery(current)} to ${originOf(response.headers.location)}, where the token is not sent. If that is another name of this tenant, list it in aliases`,
      )
    current = next
  }
  throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${origin} redirects ${withoutQuery(path)} too often`)
}

const maxRedirects = 3

/**
 * Reads `Retry-After` as seconds or as an HTTP date, which is measured against the response's own `Date` where there is
 * one. RFC 9110, section 10.2.3.
 *
 * @returns Whole seconds from 1 to 3600; `undefined` without a valid header or for a date in the past.
 */
export function retryAfterSeconds(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  now = Date.now(),
): number | undefined {
  const { 'retry-after': value, date } = headers
  if (typeof value !== 'string') return undefined
  const seconds = /^\d+$/.test(value) ? Number(value) : (httpDate(value) - (httpDate(date) || now)) / 1000
  return seconds > 0 ? Math.min(Math.ceil(seconds), 3600) : undefined
}

/** Reads the three forms of an HTTP date. RFC 9110, section 5.6.7. @returns Milliseconds since the epoch, or NaN. */
function httpDate(value: unknown): number {
  if (typeof value !== 'string') return Number.NaN
  if (/^[A-Z][a-z]+, .+ GMT$/.test(value)) return Date.parse(value)
  return /^[A-Z][a-z]{2} [A-Z][a-z]{2} .+ \d{4}$/.test(value) ? Date.parse(`${value} GMT`) : Number.NaN
}
