import type { IncomingMessage } from 'node:http'

/**
 * Tells whether a page of this application sent the request: `Sec-Fetch-Site: same-origin`, or, from browsers and tools without that header, an
 * `Origin` that equals the public URL.
 */
export function isSameOrigin({ headers }: IncomingMessage, publicUrl: string): boolean {
  const site = headers['sec-fetch-site']
  return site === undefined ? headers.origin === publicUrl : site === 'same-origin'
}
