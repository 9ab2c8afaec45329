/**
 * One end of the WebSocket bench, in a process of its own: `socket-subject.ts <name> <origin of the tenant>` prints its
 * port. A plain request is answered with what the process has used so far; one for `/collected`, after its garbage was
 * collected.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { socketProxy } from 'express-qlik-oauth'
import httpProxy from 'http-proxy'
import { WebSocket, WebSocketServer } from 'ws'
import { publicUrl, type SocketCost, type SocketSubject } from './setting.ts'

const subjects: Readonly<Record<SocketSubject | 'tenant', (server: Server, tenant: string) => void>> = {
  tenant(server) {
    new WebSocketServer({ server, perMessageDeflate: false }).on('connection', socket =>
      socket.on('message', (data, binary) => socket.send(data, { binary })),
    )
  },
  'this proxy'(server, tenant) {
    const access = { id: 'bench', tokens: { tenant, accessToken: async () => 'token' } }
    const proxy = socketProxy({ authenticate: async () => access, publicUrl, maxSocketsPerLogin: 100_000 })
    server.on('upgrade', proxy.upgrade)
  },
  'http-proxy'(server, tenant) {
    const proxy = httpProxy.createProxyServer({ target: tenant, ws: true })
    proxy.on('error', () => {})
    server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
  },
  '`ws` on both sides'(server, tenant) {
    const browsers = new WebSocketServer({ noServer: true, perMessageDeflate: false })
    server.on('upgrade', (request, socket, head) => {
      const upstream = new WebSocket(`${tenant.replace('http', 'ws')}/app/bench`, { perMessageDeflate: false })
      upstream.on('error', () => socket.destroy())
      upstream.once('open', () =>
        browsers.handleUpgrade(request, socket, head, browser => {
          browser.on('message', (data, binary) => upstream.send(data, { binary }))
          upstream.on('message', (data, binary) => browser.send(data, { binary }))
          browser.on('close', () => upstream.terminate())
          upstream.on('close', () => browser.terminate())
        }),
      )
    })
  },
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
