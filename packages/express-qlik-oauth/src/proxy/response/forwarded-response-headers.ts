/**
 * Headers of the tenant's responses that are forwarded. `Cache-Control`, `Vary`, `Location`, `Content-Location`, `Link`
 * and `ETag` are adapted; `Trailer` is sent with a chunked response. All others are stripped: cookies, credentials, and
 * headers for the tenant's origin, the connection or a server in front of the application.
 */
export const forwardedResponseHeaders: readonly string[] = [
  'accept-patch',
  'accept-post',
  'accept-ranges',
  'age',
  'allow',
  'cache-control',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'deprecation',
  'digest',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'pragma',
  'preference-applied',
  'qlik-api-version',
  'ratelimit',
  'ratelimit-limit',
  'ratelimit-policy',
  'ratelimit-remaining',
  'ratelimit-reset',
  'repr-digest',
  'retry-after',
  'server-timing',
  'sunset',
  'tus-checksum-algorithm',
  'tus-extension',
  'tus-max-size',
  'tus-resumable',
  'tus-version',
  'upload-complete',
  'upload-concat',
  'upload-defer-length',
  'upload-draft-interop-version',
  'upload-expires',
  'upload-length',
  'upload-limit',
  'upload-metadata',
  'upload-offset',
  'vary',
  'want-content-digest',
  'want-digest',
  'want-repr-digest',
  'warning',
  'x-correlation-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
]

/** How a header is forwarded: unchanged, or as the code for this name does it. */
export type HeaderAction =
  | 'forward'
  | 'cache-control'
  | 'content-disposition'
  | 'content-encoding'
  | 'content-length'
  | 'content-type'
  | 'etag'
  | 'link'
  | 'location'
  | 'trailer'
  | 'transfer-encoding'
  | 'vary'

/** By name in lower case; headers without an action are stripped. */
export const headerActions: ReadonlyMap<string, HeaderAction> = new Map<string, HeaderAction>([
  ...forwardedResponseHeaders.map((name): [string, HeaderAction] => [name, 'forward']),
  ['cache-control', 'cache-control'],
  ['content-disposition', 'content-disposition'],
  ['content-encoding', 'content-encoding'],
  ['content-length', 'content-length'],
  ['content-location', 'location'],
  ['content-type', 'content-type'],
  ['etag', 'etag'],
  ['link', 'link'],
  ['location', 'location'],
  ['trailer', 'trailer'],
  ['transfer-encoding', 'transfer-encoding'],
  ['vary', 'vary'],
])

/** Trailers that are forwarded. */
export const forwardedTrailers: ReadonlySet<string> = new Set([
  'content-digest',
  'content-md5',
  'digest',
  'repr-digest',
  'server-timing',
])

/** Headers that describe the body's bytes, and are wrong once links have been rewritten. */
export const bodyHeaders: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
])

/** Headers that the tenant's `Connection` cannot remove, because they describe the message. */
export const messageHeaders: readonly string[] = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-length',
  'content-type',
  'transfer-encoding',
  'vary',
]
