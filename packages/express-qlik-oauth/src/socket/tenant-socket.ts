import { createHash } from 'node:crypto'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import type { ErrorCode, QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/http-error.ts'
import { surviveErrors } from './survive-errors.ts'

/** A WebSocket connection to the tenant, just opened. */
export interface TenantSocket {
  readonly socket: Duplex
  /** What the tenant sent right after its handshake. */
  readonly head: Buffer
  /** The tenant's part of the handshake, to be passed on. */
  readonly headers: IncomingHttpHeaders
}

export interface TenantSocketRequest {
  /** Origin of the tenant. */
  readonly tenant: string
  readonly path: string
  /** The browser's request, whose key, extensions and subprotocols go up as they are. */
  readonly headers: IncomingHttpHeaders
  readonly accessToken: string
  readonly signal: AbortSignal
}

export interface SocketAgent {
  /**
   * @throws ERR_TENANT_REFUSED with the status of an answer that is no handshake; ERR_TENANT_* when there is none that
   * could be used.
   */
  open(request: TenantSocketRequest): Promise<TenantSocket>
}

/**
 * Opens WebSocket connections to tenants. TLS sessions are resumed; connections are not shared, since an upgrade takes
 * its connection away.
 */
export function socketAgent(): SocketAgent {
  const http = new HttpAgent({ keepAlive: false })
  const https = new HttpsAgent({ keepAlive: false })
  return {
    open: request => {
      const { tenant, path, signal } = request
      const headers = upstreamHeaders(request)
      return handshake(
        request,
        tenant.startsWith('https:')
          ? httpsRequest(tenant + path, { agent: https, headers, signal })
          : httpRequest(tenant + path, { agent: http, headers, signal }),
      )
    },
  }
}

/** Nothing else of the browser's goes up: neither its cookies nor its Origin, which is not the tenant's. */
function upstreamHeaders({ headers, accessToken }: TenantSocketRequest): Record<string, string> {
  const passed = [
    'sec-websocket-key',
    'sec-websocket-version',
    'sec-websocket-extensions',
    'sec-websocket-protocol',
    'user-agent',
  ]
  const own = Object.fromEntries(
    passed.flatMap(name => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
  )
  return { ...own, connection: 'Upgrade', upgrade: 'websocket', authorization: `Bearer ${accessToken}` }
}

function handshake({ headers: asked }: TenantSocketRequest, request: ClientRequest): Promise<TenantSocket> {
  return new Promise((resolve, reject) => {
    // Stays for good, since a request that was given up may still fail.
    request.on('error', cause => reject(httpError(failure(cause), 'Try again later.', { cause })))
    request.on('response', response => {
      reject(answered(response))
      request.destroy()
    })
    request.on('upgrade', (response, socket, head) => {
      surviveErrors(socket)
      if (isAnswerTo(asked, response.headers)) {
        resolve({ socket, head, headers: response.headers })
      } else {
        reject(httpError('ERR_TENANT_RESPONSE', 'The tenant agreed to something else than this WebSocket.'))
        socket.destroy()
      }
    })
    request.end()
  })
}

/**
 * The tenant's status is passed on, but nothing else of its answer. A redirect keeps its status, too, without
 * `Location`: that leads to the tenant's own login, and no browser follows redirects of an upgrade.
 */
function answered({ statusCode = 502, headers }: IncomingMessage): QlikOAuthError {
  if (statusCode < 300 || statusCode === 304 || statusCode > 599)
    return httpError('ERR_TENANT_RESPONSE', 'The tenant answered without opening a WebSocket.')
  const seconds = headers['retry-after'] ?? ''
  return httpError('ERR_TENANT_REFUSED', `The tenant answered with status ${statusCode}.`, {
    status: statusCode,
    ...(/^\d{1,9}$/.test(seconds) ? { retryAfterSeconds: Number(seconds) } : {}),
  })
}

/** Whether this is the other half of our handshake, with nothing in it that was not offered. RFC 6455, section 4.1. */
function isAnswerTo(asked: IncomingHttpHeaders, given: IncomingHttpHeaders): boolean {
  return (
    given['sec-websocket-accept'] === acceptOf(asked['sec-websocket-key'] ?? '') &&
    given.upgrade?.toLowerCase() === 'websocket' &&
    (given['sec-websocket-extensions'] === undefined || asked['sec-websocket-extensions'] !== undefined) &&
    (given['sec-websocket-protocol'] === undefined || asked['sec-websocket-protocol'] !== undefined)
  )
}

function failure(error: NodeJS.ErrnoException): ErrorCode {
  if (error.code === 'ETIMEDOUT') return 'ERR_TENANT_CONNECT_TIMEOUT'
  if (error.code?.startsWith('HPE_') === true) return 'ERR_TENANT_RESPONSE'
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'ERR_TENANT_RESET' : 'ERR_TENANT_UNREACHABLE'
}

/** RFC 6455, section 4.2.2. */
function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}
