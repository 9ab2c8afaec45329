import type { IncomingMessage } from 'node:http'
import { httpError } from './response/error-response.ts'

/**
 * Requires that a request comes from a page of this application where it changes something, and from no other site in
 * any case.
 *
 * Browsers send session cookies with requests of any page. They set `Sec-Fetch-Site` and `Origin` themselves, and no
 * script can change them.
 *
 * @param publicUrl Address at which browsers see the application. Its path is not compared.
 * @throws ERR_CROSS_SITE
 */
export function requireSameOrigin(request: IncomingMessage, publicUrl: string): void {
  const { method, headers } = request
  const site = headers['sec-fetch-site']
  if (site === 'cross-site') throw httpError('ERR_CROSS_SITE', 'Requests of other sites are refused.')
  if (method === 'GET' || method === 'HEAD') return

  const sameOrigin = site === undefined ? isOriginOf(headers.origin, publicUrl) : site === 'same-origin'
  if (!sameOrigin) {
    throw httpError(
      'ERR_CROSS_SITE',
      'A state-changing request needs Sec-Fetch-Site: same-origin or the Origin of the application.',
    )
  }
}

function isOriginOf(origin: string | undefined, url: string): boolean {
  return origin === url || (URL.canParse(url) && new URL(url).origin === origin)
}

/**
 * Requires the `Origin` of this application, whatever the method: any page can open a WebSocket to any host with the
 * cookies of that host, without CORS. RFC 6455, section 10.2.
 *
 * @throws ERR_CROSS_SITE
 */
export function requireOrigin({ headers }: IncomingMessage, publicOrigin: string): void {
  if (headers.origin !== publicOrigin)
    throw httpError('ERR_CROSS_SITE', 'A socket needs the Origin of a page of this application.')
}
