import { type Dispatcher, Pool } from 'undici'
import { QlikOAuthError } from './errors.ts'

export interface TenantRequest {
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

/** Sends small requests to one Qlik Cloud host over kept-alive connections. Redirects are never followed. */
export interface TenantHttp {
  readonly origin: string
  /** @throws ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT */
  request(request: TenantRequest): Promise<TenantResponse>
  close(): Promise<void>
}

/**
 * @param origin As `tenantOrigin` returns it.
 * @param timeoutMs Limit for a whole request, answer included.
 */
export function tenantHttp(origin: string, timeoutMs = 20_000): TenantHttp {
  const pool: Dispatcher = new Pool(origin, {
    connections: 32,
    maxResponseSize: longestBody,
    connect: { timeout: Math.min(timeoutMs, 10_000) },
  })

  return {
    origin,
    async request({ method = 'GET', path, headers = {}, body, signal }) {
      const limit = AbortSignal.timeout(timeoutMs)
      try {
        const response = await pool.request({
          method,
          path,
          headers: { accept: 'application/json', ...headers },
          body: body ?? null,
          signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        })
        return { status: response.statusCode, headers: response.headers, text: await response.body.text() }
      } catch (cause) {
        signal?.throwIfAborted()
        const where = `${method} ${origin}${pathOnly(path)}`
        if (limit.aborted)
          throw new QlikOAuthError('ERR_TENANT_TIMEOUT', `No answer within ${timeoutMs} ms: ${where}`, { cause })
        throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `No usable answer: ${where}`, { cause })
      }
    },
    close: () => pool.destroy(),
  }
}

/** Answers to these small requests are a few kilobytes; a longer one is not what was asked for. */
const longestBody = 1024 * 1024

/** A query may hold what must not stand in a log. */
function pathOnly(path: string): string {
  return path.split('?', 1)[0] ?? ''
}
