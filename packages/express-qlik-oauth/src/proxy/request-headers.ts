import type { IncomingMessage } from 'node:http'
import { isTraceState, traceIdOfParent } from '../http/response/trace-context.ts'

/** Headers of the client's request that are forwarded. Cookies, credentials, addresses and all others are stripped. */
export const forwardedRequestHeaders: readonly string[] = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-range',
  'content-digest',
  'content-type',
  'digest',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'pragma',
  'prefer',
  'qlik-api-version',
  'range',
  'repr-digest',
  'traceparent',
  'tracestate',
  'tus-resumable',
  'upload-checksum',
  'upload-complete',
  'upload-concat',
  'upload-defer-length',
  'upload-draft-interop-version',
  'upload-length',
  'upload-metadata',
  'upload-offset',
  'user-agent',
  'want-digest',
]

/**
 * The headers of the request to the tenant: names and values in turn, the access token last.
 *
 * @param hasBody Whether `Content-Length` is forwarded.
 */
export function requestHeaders(request: IncomingMessage, accessToken: string, hasBody: boolean): string[] {
  const { headers } = request
  const dropped = namedIn(headers.connection)
  const list: string[] = []
  for (const name in headers) {
    if (!allowed.has(name)) continue
    const value = headers[name]
    // The client chooses this list, so it is applied before our own header is added: otherwise
    // `Connection: authorization` would strip the access token. The length belongs to the message, not to the
    // connection. RFC 9110, section 7.6.1.
    if (typeof value !== 'string' || (dropped?.has(name) === true && name !== 'content-length')) continue
    if (name === 'accept-encoding') list.push(name, rewritable(value))
    else if (name === 'if-match') list.push(name, value.replace(weakTag, '$1'))
    else if (name === 'traceparent' || name === 'tracestate') {
      if (isTrace(name, value, headers.traceparent)) list.push(name, value)
    } else if (name !== 'content-length' || hasBody) list.push(name, value)
  }
  list.push('authorization', `Bearer ${accessToken}`)
  return list
}

const allowed: ReadonlySet<string> = new Set(forwardedRequestHeaders)

/** An invalid `traceparent` starts a new trace, for which an old `tracestate` means nothing. */
function isTrace(name: string, value: string, traceparent: string | string[] | undefined): boolean {
  return traceIdOfParent(traceparent) !== undefined && (name === 'traceparent' || isTraceState(value))
}

function namedIn(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(
    connection
      .toLowerCase()
      .split(',')
      .map(name => name.trim()),
  )
}

/**
 * An ETag that the proxy made weak because it rewrote links; If-Match compares strong ones only. RFC 9110, section
 * 13.1.1.
 */
const weakTag = /(^|,)\s*W\/(?=")/g

/** Keeps the codings in which links in JSON can be rewritten. */
function rewritable(acceptEncoding: string): string {
  if (usual.has(acceptEncoding)) return 'gzip, br'
  const codings = acceptEncoding.split(',').filter(coding => /^\s*(?:gzip|br|identity)\s*(?:;|$)/i.test(coding))
  return codings.length === 0 ? 'identity' : codings.map(coding => coding.trim()).join(', ')
}

const usual: ReadonlySet<string> = new Set(['gzip, deflate, br, zstd', 'gzip, deflate, br'])
