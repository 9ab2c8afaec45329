import type { IncomingMessage } from 'node:http'
import type { QlikOAuthError } from 'qlik-oauth'
import { hasMethods, quoted } from 'qlik-oauth/internal'
import { isBelowMount, type Mount } from './location/mount.ts'
import { configurationError, invalidOption } from './options/option-checks.ts'
import { httpError } from './response/error-response.ts'

/** A request of Node, or of Express inside a router. */
type RoutedRequest = IncomingMessage & { readonly baseUrl?: unknown }

/**
 * Explains a request that reached a proxy in Express below a path where no request lies below the proxy's mount.
 *
 * @returns `undefined` when the proxy may be mounted right and the request belongs to the application.
 */
export function misplacedProxy(
  { baseUrl }: RoutedRequest,
  mounts: readonly Pick<Mount, 'path' | 'paths'>[],
): QlikOAuthError | undefined {
  if (typeof baseUrl !== 'string' || baseUrl === '') return undefined
  // Express compares paths in any case.
  const mountedAt = baseUrl.toLowerCase()
  if (mounts.some(({ paths }) => paths.some(path => isBelowMount(path.toLowerCase(), mountedAt)))) return undefined
  const path = mounts[0]?.path ?? ''
  return configurationError(
    `qlik.proxy() is mounted at ${quoted(baseUrl)}, but its mount is ${quoted(path)}: call app.use(${quoted(path)}, qlik.proxy()), or set mount (and publicUrl, if it has a path) to where it is.`,
  )
}

/** A balancer that does not pass `Upgrade` on turns the opening handshake of a WebSocket into an ordinary request. */
export function lostUpgrade(): QlikOAuthError {
  return httpError(
    'ERR_UPGRADE_REQUIRED',
    'WebSockets need the Upgrade header, and the request arrived without it. The balancer must pass the headers Upgrade and Connection on.',
  )
}

/**
 * Explains a WebSocket handshake that arrived as an ordinary request.
 *
 * @param isAttached Whether upgrades of a server are handled.
 */
export function misplacedHandshake({ headers }: IncomingMessage, isAttached: boolean): QlikOAuthError | undefined {
  if (headers['sec-websocket-key'] === undefined) return undefined
  return isAttached
    ? lostUpgrade()
    : configurationError('WebSocket upgrades are not handled: call qlik.attach(server) with the server that listens.')
}

/**
 * Refuses what is no HTTP server: an Express application has `on` as well, and would never raise `upgrade`.
 *
 * @throws ERR_CONFIGURATION
 */
export function requireServer(server: unknown): void {
  if (!hasMethods(server, ['on', 'emit', 'close', 'getConnections', 'closeIdleConnections']))
    throw invalidOption('attach(server)', 'the HTTP server, such as the result of app.listen(3000)', server)
}

/** @throws ERR_CONFIGURATION */
export function requireListener(app: unknown): void {
  if (typeof app !== 'function')
    throw invalidOption('handler(app)', 'a function of request and response, such as express()', app)
}
