import type { IncomingMessage } from 'node:http'

/**
 * Whether a request is a navigation, so that a redirect to the login makes sense; other requests get a status and JSON.
 *
 * Taken from `Sec-Fetch-Mode`; from `Accept` for clients that do not send it.
 */
export function isNavigation({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET') return false
  if (headers['sec-fetch-dest'] !== undefined) return headers['sec-fetch-mode'] === 'navigate'
  return (headers.accept ?? '').includes('text/html') && headers['x-requested-with'] === undefined
}

/** Whether the browser loads a page ahead of a navigation. */
export function isPrefetch({ headers }: IncomingMessage): boolean {
  return [headers['sec-purpose'], headers.purpose, headers['x-moz'], headers['x-purpose']].some(value =>
    /prefetch|prerender|preview/.test(String(value ?? '')),
  )
}
