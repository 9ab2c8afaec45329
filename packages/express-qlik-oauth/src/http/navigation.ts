import type { IncomingMessage } from 'node:http'

/**
 * Tells whether a person is waiting for a page, so that a redirect to the login makes sense; everything else gets a
 * status and JSON.
 *
 * Browsers say so in `Sec-Fetch-Mode`, which comes with `Sec-Fetch-Dest`; older ones, and tools, are judged by what
 * they accept.
 */
export function isNavigation({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET') return false
  if (headers['sec-fetch-dest'] !== undefined) return headers['sec-fetch-mode'] === 'navigate'
  return (headers.accept ?? '').includes('text/html') && headers['x-requested-with'] === undefined
}

/** Tells whether the browser only fetches ahead of a click that may never come. */
export function isPrefetch({ headers }: IncomingMessage): boolean {
  return [headers['sec-purpose'], headers.purpose, headers['x-moz'], headers['x-purpose']].some(value =>
    /prefetch|prerender|preview/.test(String(value ?? '')),
  )
}
