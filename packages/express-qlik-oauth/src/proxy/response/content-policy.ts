/*
 * The tenant's content is served from the application's own origin. What a browser could run there as a page - HTML,
 * SVG, XML, and everything whose type is missing, unknown or ambiguous - gets an opaque origin and is downloaded
 * instead of opened, so that it cannot act with the session. README, "What the tenant's content may do".
 */

/** Headers that keep a response from running as a page of the application. */
export interface ContentPolicy {
  readonly contentSecurityPolicy: string | undefined
  readonly contentDisposition: string | undefined
}

/**
 * @param contentType The tenant's `Content-Type`, several values joined by a comma.
 * @param contentDisposition The tenant's own.
 * @param destination `Sec-Fetch-Dest` of the request.
 */
export function contentPolicy(
  contentType: string,
  contentDisposition: string | undefined,
  destination: string | string[] | undefined,
): ContentPolicy {
  if (isInert(contentType)) return { contentSecurityPolicy: undefined, contentDisposition }
  return {
    contentSecurityPolicy: 'sandbox',
    contentDisposition: isSubresource(destination) ? contentDisposition : asAttachment(contentDisposition),
  }
}

/** Whether a type is a script, a style, a font, an image without scripts, or data. Commas, as of two types, are not. */
export function isInert(contentType: string): boolean {
  return inert.test(contentType)
}

const inert = new RegExp(
  `^(?:${[
    '(?:text|application)/(?:x-)?(?:java|ecma)script',
    'text/(?:css|csv|plain|event-stream|markdown|vtt)',
    'application/(?:[\\w.-]+\\+)?json',
    'application/(?:x-ndjson|jsonl|json-seq|octet-stream|pdf|wasm|zip|gzip|font-[\\w-]+|vnd\\.ms-fontobject)',
    'application/vnd\\.openxmlformats-officedocument\\.[\\w.-]+',
    // Not svg+xml: no subtype with "+".
    'image/[\\w.-]+',
    'font/[\\w.-]+',
    'audio/[\\w.-]+',
    'video/[\\w.-]+',
  ].join('|')})[ \\t]*(?:;[^,]*)?$`,
  'i',
)

/**
 * Whether the response is a subresource, such as an image, not a document. A request without `Sec-Fetch-Dest` may be
 * a navigation.
 */
function isSubresource(destination: string | string[] | undefined): boolean {
  return typeof destination === 'string' && subresources.has(destination)
}

const subresources: ReadonlySet<string> = new Set([
  'audio',
  'empty',
  'font',
  'image',
  'json',
  'manifest',
  'script',
  'style',
  'track',
  'video',
])

/** Keeps the file name. RFC 6266. */
function asAttachment(contentDisposition: string | undefined): string {
  return contentDisposition === undefined ? 'attachment' : contentDisposition.replace(/^[^;]*/, 'attachment')
}
