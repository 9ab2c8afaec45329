import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, isIPv6, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { QlikOAuthError } from '../errors.ts'
import type { OpenConnection } from './outbound-options.ts'

/**
 * Opens connections through an HTTP proxy by CONNECT. RFC 9110, section 9.3.6.
 *
 * The promise is rejected with ERR_OUTBOUND_PROXY_REFUSED for any status but 2xx, ERR_OUTBOUND_PROXY_RESPONSE for what
 * is no HTTP response, ERR_OUTBOUND_PROXY_TIMEOUT when the signal aborts, and ERR_OUTBOUND_PROXY_UNREACHABLE without a
 * response. The messages name host and port of the proxy, never its user name or password.
 *
 * @param secureContext Authorities that are trusted for an `https:` proxy.
 */
export function httpTunnel(proxy: URL, secureContext: SecureContext | undefined): OpenConnection {
  const request = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const host = withoutBrackets(proxy.hostname)
  const connection: RequestOptions & { secureContext?: SecureContext; servername?: string } = {
    host,
    // By default, Node checks the certificate against the Host header.
    servername: isIP(host) === 0 ? host : '',
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : Number(proxy.port),
    agent: false,
    maxHeaderSize: 16 * 1024,
    ...(secureContext === undefined ? {} : { secureContext }),
  }
  const authorization = proxyAuthorization(proxy)

  return ({ hostname, port, signal }) =>
    new Promise<Socket>((resolve, reject) => {
      const authority = `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`
      const tunnel = request({
        ...connection,
        method: 'CONNECT',
        path: authority,
        headers: { host: authority, ...authorization },
      })
      const abort = (): void => {
        fail(
          new QlikOAuthError(
            'ERR_OUTBOUND_PROXY_TIMEOUT',
            `The proxy ${proxy.host} opened no tunnel to ${authority} in time`,
          ),
        )
        tunnel.destroy()
      }
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', abort)
        reject(error)
      }
      signal.addEventListener('abort', abort, { once: true })
      // Never removed: a destroyed request may fail later.
      tunnel.on('error', cause => fail(failure(cause, proxy.host)))
      tunnel.once('connect', ({ statusCode = 0 }, socket, head) => {
        socket.on('error', () => {})
        if (statusCode < 200 || statusCode > 299) {
          socket.destroy()
          fail(refusal(statusCode, proxy.host, authority))
          return
        }
        signal.removeEventListener('abort', abort)
        if (head.length > 0) socket.unshift(head)
        resolve(socket)
      })
      if (signal.aborted) abort()
      else tunnel.end()
    })
}

/** The user name may stand alone. RFC 7617. */
function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
}

function refusal(status: number, proxy: string, authority: string): QlikOAuthError {
  const advice =
    status === 407
      ? 'It demands a user name and password, or those given are wrong: put them into its URL'
      : `Allow connections from this server to ${authority} there, or list the host in NO_PROXY`
  return new QlikOAuthError(
    'ERR_OUTBOUND_PROXY_REFUSED',
    `The proxy ${proxy} refused the tunnel to ${authority} with status ${status}. ${advice}`,
  )
}

function failure(cause: NodeJS.ErrnoException, proxy: string): QlikOAuthError {
  const { code = '' } = cause
  const reason = code === '' ? '' : ` (${code})`
  if (code.startsWith('HPE_')) {
    return new QlikOAuthError(
      'ERR_OUTBOUND_PROXY_RESPONSE',
      `The response of the proxy ${proxy} is not valid HTTP${reason}. Check that an HTTP proxy listens there`,
      { cause },
    )
  }
  return new QlikOAuthError(
    'ERR_OUTBOUND_PROXY_UNREACHABLE',
    `No connection to the proxy ${proxy}${reason}. Check HTTPS_PROXY or outbound.proxy, the network, and the certificate of an https proxy`,
    { cause },
  )
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
