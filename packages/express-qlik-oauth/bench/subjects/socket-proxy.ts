/**
 * One process of the WebSocket section: `socket-proxy.ts <name> <origin of the tenant>` prints its port. A plain
 * request returns what the process has used so far; `/collected` collects garbage first.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import httpProxy from 'http-proxy'
import { WebSocketServer } from 'ws'
import { socketProxy } from '../../src/socket/socket-proxy.ts'
import { publicUrl, type SocketCost, type SocketSubject } from '../support/setting.ts'
import { wsTunnel } from './ws-tunnel.ts'

const maxMessageBytes = 128 * 1024 * 1024

const subjects: Readonly<Record<SocketSubject | 'tenant', (server: Server, tenant: string) => void>> = {
  /** Echoes short messages; responds to a long one with its length. */
  tenant(server) {
    new WebSocketServer({ server, perMessageDeflate: false, maxPayload: maxMessageBytes }).on('connection', socket =>
      socket.on('message', (data: Buffer, binary) =>
        data.length > 1e6 ? socket.send(String(data.length)) : socket.send(data, { binary }),
      ),
    )
  },
  'this proxy'(server, tenant) {
    const limits = { maxSocketsPerLogin: 100_000, maxUpgradesPerMinute: 1_000_000 }
    const proxy = socketProxy({ authenticate: authenticate(tenant), publicUrl, ...limits })
    server.on('upgrade', proxy.upgrade)
  },
  'tunnel built on `ws`'(server, tenant) {
    server.on('upgrade', wsTunnel({ authenticate: authenticate(tenant), publicUrl, pingMs: 25_000, maxMessageBytes }))
  },
  'http-proxy'(server, tenant) {
    const proxy = httpProxy.createProxyServer({ target: tenant, ws: true })
    proxy.on('error', () => {})
    server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
  },
}

function authenticate(tenant: string) {
  const principal = { id: 'bench', tokens: { tenant, accessToken: async () => 'token' } }
  return async () => principal
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

const [, , name = '', tenant = ''] = process.argv
const server = createServer(async (request, response) => {
  for (let pass = 0; request.url === '/collected' && pass < 3; pass += 1) {
    collectGarbage()
    await pause(20)
  }
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  response.setHeader('connection', 'close')
  response.end(
    JSON.stringify({ cpuMicroseconds: user + system, residentBytes: rss, heapBytes: heapUsed } satisfies SocketCost),
  )
})
subjects[name as SocketSubject](server, tenant)
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)
process.on('SIGTERM', () => process.exit(0))
