import type { IncomingMessage } from 'node:http'
import { httpError } from './http-error.ts'

/**
 * Lets through only what a page of this application asked for.
 *
 * The browser sends its session cookie whoever the page belongs to, so a state-changing request needs a proof that it
 * comes from our own: browsers set `Sec-Fetch-Site` and `Origin` themselves, and no script can change them.
 *
 * @param publicOrigin Origin of the public URL.
 * @throws ERR_CROSS_SITE
 */
export function requireSameOrigin(request: IncomingMessage, publicOrigin: string): void {
  const { method, headers } = request
  const site = headers['sec-fetch-site']
  if (site === 'cross-site') throw httpError('ERR_CROSS_SITE', 'Requests of other sites are refused.')
  if (method === 'GET' || method === 'HEAD') return

  const sameOrigin = site === undefined ? headers.origin === publicOrigin : site === 'same-origin'
  if (!sameOrigin) {
    throw httpError(
      'ERR_CROSS_SITE',
      'A request that changes something needs Sec-Fetch-Site: same-origin or the Origin of the application.',
    )
  }
}
