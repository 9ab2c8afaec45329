import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Certificate } from './certificate.ts'

export interface ConnectProxyOptions {
  /** Where the tunnels to a host lead: a port of this machine. Other hosts get 403. */
  readonly routes: Readonly<Record<string, number>>
  /** `user:password` that is demanded. */
  readonly credentials?: string
  /** Makes an `https:` proxy. */
  readonly certificate?: Certificate
  /** Responds to CONNECT instead of opening a tunnel. */
  readonly respond?: (socket: Duplex) => void
}

/** A proxy that opens tunnels and counts them. */
export interface ConnectProxy {
  readonly port: number
  /** Its URL, with the credentials that it demands. */
  readonly url: string
  /** The targets of all tunnels that were opened. */
  readonly tunnels: readonly string[]
  /** Tunnels that are open now. */
  readonly open: number
  close(): Promise<void>
}

export async function connectProxy(options: ConnectProxyOptions): Promise<ConnectProxy> {
  const { routes, credentials, certificate, respond } = options
  const server: Server = certificate === undefined ? createHttpServer() : createHttpsServer(certificate)
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  let open = 0
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
  })
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on('error', () => {})
    if (respond !== undefined) return respond(client)
    const { url: target = '', headers } = request
    const expected = `Basic ${Buffer.from(credentials ?? '').toString('base64')}`
    if (credentials !== undefined && headers['proxy-authorization'] !== expected)
      return client.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n')
    const port = routes[target]
    if (port === undefined) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n')

    const upstream = connect(port, '127.0.0.1', () => {
      tunnels.push(target)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      client.pipe(upstream).pipe(client)
    })
    open += 1
    upstream.on('error', () => client.destroy()).once('close', () => client.destroy())
    client.once('close', () => {
      open -= 1
      upstream.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const scheme = certificate === undefined ? 'http' : 'https'
  return {
    port,
    url: `${scheme}://${credentials === undefined ? '' : `${credentials}@`}localhost:${port}`,
    tunnels,
    get open() {
      return open
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
