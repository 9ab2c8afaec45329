import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import httpProxy from 'http-proxy'

/** A path of a balancer, and the server that it leads to. */
export interface BalancerRoute {
  readonly prefix: string
  readonly port: number
  /** Whether the balancer removes the prefix from requests. */
  readonly strips: boolean
}

export interface Balancer {
  readonly origin: string
  readonly server: Server
  close(): Promise<void>
}

/** A balancer that serves several applications below paths of one origin, and 404 elsewhere. */
export async function startBalancer(routes: () => readonly BalancerRoute[]): Promise<Balancer> {
  const proxy = httpProxy.createProxyServer()
  proxy.on('error', () => {})
  const routed = (url = '/') => {
    const route = routes().find(({ prefix }) => `${url.split('?', 1)[0]}/`.startsWith(`${prefix}/`))
    if (route === undefined) return undefined
    const rest = url.slice(route.prefix.length)
    return {
      url: !route.strips ? url : rest.startsWith('/') ? rest : `/${rest}`,
      target: `http://127.0.0.1:${route.port}`,
    }
  }
  const server = createServer((request, response) => {
    const found = routed(request.url)
    if (found === undefined) return void response.writeHead(404).end('outside all applications')
    request.url = found.url
    proxy.web(request, response, { target: found.target })
  })
  server.on('upgrade', (request, socket, head) => {
    const found = routed(request.url)
    if (found === undefined) return void socket.destroy()
    request.url = found.url
    proxy.ws(request, socket, head, { target: found.target })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    server,
    async close() {
      server.closeAllConnections()
      proxy.close()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
