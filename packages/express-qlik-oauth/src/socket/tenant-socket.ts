import { createHash } from 'node:crypto'
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ErrorCode, QlikOAuthError, type TokenSource } from 'qlik-oauth'
import { clientHostOf, retryAfterSeconds, tenantHost } from 'qlik-oauth/internal'
import type { buildConnector } from 'undici'
import { ignoreErrors } from '../http/http-server.ts'
import { httpError } from '../http/response/error-response.ts'
import { isTraceState, traceIdOfParent } from '../http/response/trace-context.ts'

/** A WebSocket connection to the tenant after its opening handshake. */
export interface TenantSocket {
  readonly socket: Duplex
  /** Frames that came with the handshake. */
  readonly head: Buffer
  readonly headers: IncomingHttpHeaders
}

export interface TenantSocketRequest {
  /** Of the user; they name the tenant, and the way to it. */
  readonly tokens: TokenSource
  readonly path: string
  /** Those of the browser. Its key, extensions and subprotocols are forwarded. */
  readonly headers: IncomingHttpHeaders
  readonly accessToken: string
  readonly signal: AbortSignal
}

export interface SocketAgent {
  /**
   * @returns The connection, or ERR_TENANT_REFUSED with the status of a response that refuses the upgrade.
   * @throws ERR_TENANT_* without a usable response.
   */
  open(request: TenantSocketRequest): Promise<TenantSocket | QlikOAuthError>
}

/**
 * Opens WebSocket connections to tenants. TLS sessions are resumed; connections are never shared.
 *
 * @param connectMs For TCP, a proxy's tunnel and TLS together.
 */
export function socketAgent(connectMs: number): SocketAgent {
  const connectors = new Map<string, buildConnector.connector>()

  function connectorTo(tokens: TokenSource): buildConnector.connector {
    const host = clientHostOf(tokens)
    const key = host?.key ?? tokens.tenant
    const known = connectors.get(key)
    if (known !== undefined) return known
    const connector = (host ?? tenantHost(tokens.tenant)).outbound.connector(connectMs)
    connectors.set(key, connector)
    return connector
  }

  return {
    async open(request) {
      const url = new URL(request.tokens.tenant + request.path)
      const socket = await connect(connectorTo(request.tokens), url)
      if (request.signal.aborted) socket.destroy()
      return await openingHandshake(request, sendHandshake(request, url, socket))
    },
  }
}

function connect(connector: buildConnector.connector, url: URL): Promise<Socket> {
  const { protocol, host, port } = url
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return new Promise((resolve, reject) =>
    connector({ protocol, host, hostname, port }, (...[error, socket]) => {
      if (error !== null) return reject(unreachable(error))
      ignoreErrors(socket)
      resolve(socket)
    }),
  )
}

function sendHandshake(request: TenantSocketRequest, url: URL, socket: Socket): ClientRequest {
  const isHttps = url.protocol === 'https:'
  return (isHttps ? httpsRequest : httpRequest)(url, {
    createConnection: () => socket,
    // Without an agent, Node knows none.
    defaultPort: isHttps ? 443 : 80,
    headers: tenantHeaders(request),
    signal: request.signal,
  })
}

/** Cookies, credentials and `Origin` of the browser are not forwarded. */
function tenantHeaders({ headers, accessToken }: TenantSocketRequest): Record<string, string> {
  const forwarded = forwardedHeaders.flatMap((name): [string, string][] =>
    headers[name] === undefined ? [] : [[name, String(headers[name])]],
  )
  return {
    ...Object.fromEntries(forwarded),
    ...traceHeaders(headers),
    connection: 'Upgrade',
    upgrade: 'websocket',
    authorization: `Bearer ${accessToken}`,
  }
}

function traceHeaders({ traceparent, tracestate }: IncomingHttpHeaders): Record<string, string> {
  if (typeof traceparent !== 'string' || traceIdOfParent(traceparent) === undefined) return {}
  return typeof tracestate === 'string' && isTraceState(tracestate) ? { traceparent, tracestate } : { traceparent }
}

const forwardedHeaders = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'user-agent',
]

function openingHandshake(
  { headers: offered }: TenantSocketRequest,
  request: ClientRequest,
): Promise<TenantSocket | QlikOAuthError> {
  return new Promise((resolve, reject) => {
    // Never removed: an aborted request may fail later.
    request.on('error', cause => reject(unreachable(cause)))
    request.on('response', response => {
      resolve(upgradeRefused(response))
      request.destroy()
    })
    request.on('upgrade', (response, socket, head) => {
      ignoreErrors(socket)
      if (isHandshakeResponse(offered, response.headers)) {
        resolve({ socket, head, headers: response.headers })
      } else {
        resolve(httpError('ERR_TENANT_RESPONSE', 'Invalid WebSocket handshake response.'))
        socket.destroy()
      }
    })
    request.end()
  })
}

/**
 * Forwards the tenant's status and `Retry-After`, but no other header and no body. `Location` of a redirect leads to
 * the tenant's own login, and browsers do not follow redirects of an upgrade.
 */
function upgradeRefused({ statusCode = 502, headers }: IncomingMessage): QlikOAuthError {
  if (statusCode < 300 || statusCode === 304 || statusCode > 599)
    return httpError('ERR_TENANT_RESPONSE', 'The tenant responded without opening a WebSocket.')
  return httpError('ERR_TENANT_REFUSED', `The tenant responded with status ${statusCode}.`, {
    status: statusCode,
    retryAfterSeconds: retryAfterSeconds(headers),
  })
}

/** Whether the response accepts this handshake and selects nothing that was not offered. RFC 6455, section 4.1. */
function isHandshakeResponse(offered: IncomingHttpHeaders, selected: IncomingHttpHeaders): boolean {
  return (
    selected['sec-websocket-accept'] === acceptValue(offered['sec-websocket-key'] ?? '') &&
    selected.upgrade?.toLowerCase() === 'websocket' &&
    (selected['sec-websocket-extensions'] === undefined || offered['sec-websocket-extensions'] !== undefined) &&
    (selected['sec-websocket-protocol'] === undefined || offered['sec-websocket-protocol'] !== undefined)
  )
}

function unreachable(cause: Error): QlikOAuthError {
  return cause instanceof QlikOAuthError ? cause : httpError(failureCode(cause), 'Try again later.', { cause })
}

function failureCode(error: NodeJS.ErrnoException): ErrorCode {
  if (error.code === 'ETIMEDOUT' || error.code === 'UND_ERR_CONNECT_TIMEOUT') return 'ERR_TENANT_CONNECT_TIMEOUT'
  if (error.code?.startsWith('HPE_') === true) return 'ERR_TENANT_RESPONSE'
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'ERR_TENANT_RESET' : 'ERR_TENANT_UNREACHABLE'
}

/** RFC 6455, section 4.2.2. */
function acceptValue(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}
