import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Authenticate } from 'express-qlik-oauth'
import { type RawData, WebSocket, WebSocketServer } from 'ws'

export interface WsTunnelOptions {
  readonly authenticate: Authenticate
  readonly publicUrl: string
  readonly pingMs: number
  readonly maxMessageBytes: number
}

/**
 * The WebSocket proxy as it would be built on `ws`: login, Origin, the tenant's handshake first, back-pressure, close
 * codes, heartbeat, end of the login. The alternative that BENCHMARKS.md compares with the proxy of this package.
 *
 * Each message is buffered whole, and compression ends at the proxy, since `ws` gives out neither frames nor compressed
 * payloads.
 */
export function wsTunnel({ authenticate, publicUrl, pingMs, maxMessageBytes }: WsTunnelOptions) {
  const browsers = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxMessageBytes })

  async function open(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const principal = await authenticate(request)
    if (principal === undefined) return refuse(socket, '401 Unauthorized')
    if (request.headers.origin !== publicUrl) return refuse(socket, '403 Forbidden')

    const { tokens } = principal
    const path = (request.url ?? '').replace('/qlik', '')
    const tenant = new WebSocket(`${tokens.tenant.replace('http', 'ws')}${path}`, {
      headers: { authorization: `Bearer ${await tokens.accessToken()}` },
      perMessageDeflate: false,
      maxPayload: maxMessageBytes,
    })
    tenant.once('unexpected-response', (_request, response) => refuse(socket, String(response.statusCode)))
    tenant.on('error', () => refuse(socket, '502 Bad Gateway'))
    tenant.once('open', () => {
      tenant.removeAllListeners('error')
      browsers.handleUpgrade(request, socket, head, browser => {
        const stopListening = principal.onEnd?.(() => {
          browser.close(4006, 'the login has ended')
          tenant.close(1000)
        })
        forward(browser, tenant, () => principal.active?.())
        forward(tenant, browser, () => {})
        keepAlive(browser, pingMs)
        browser.once('close', () => stopListening?.())
      })
    })
  }

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => {})
    open(request, socket, head).catch(() => refuse(socket, '500 Internal Server Error'))
  }
}

function refuse(socket: Duplex, status: string): void {
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

function forward(from: WebSocket, to: WebSocket, onData: () => void): void {
  from.on('message', (data: RawData, binary: boolean) => {
    onData()
    const resume = (): void => {
      if (from.isPaused && to.bufferedAmount < highWaterMark) from.resume()
    }
    to.send(data as Buffer, { binary }, resume)
    if (to.bufferedAmount >= highWaterMark) from.pause()
  })
  from.on('error', () => {})
  from.once('close', (code, reason) => {
    if (to.readyState !== WebSocket.OPEN) return
    // 1005 and 1006 are never sent.
    if (code === 1005) to.close()
    else if (code === 1006) to.close(1011)
    else to.close(code, reason)
  })
}

function keepAlive(browser: WebSocket, pingMs: number): void {
  let isAlive = true
  browser.on('pong', () => {
    isAlive = true
  })
  const timer = setInterval(() => {
    if (!isAlive) return browser.terminate()
    isAlive = false
    browser.ping()
  }, pingMs)
  browser.once('close', () => clearInterval(timer))
}

const highWaterMark = 64 * 1024
