/**
 * A proxy in a process of its own, for what belongs to a process: its memory, its trusted certificates, its life.
 * Started by `startProxyProcess`.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { qlikProxy } from '../../src/index.ts'
import type { ProxySettings } from './proxy-processes.ts'

const { tenant, publicUrl }: ProxySettings = JSON.parse(process.env.SETTINGS ?? '')
const qlik = qlikProxy({
  publicUrl,
  authenticate: async () => ({ tokens: { tenant, accessToken: async () => 'token' } }),
  sockets: { onEvent: event => process.send?.({ event }) },
})
const server = createServer(qlik.handler((_request, response) => response.end('alive')))
qlik.attach(server)

let residentBytes = 0
setInterval(() => {
  residentBytes = Math.max(residentBytes, process.memoryUsage.rss())
}, 5)
process.on('message', () => {
  process.send?.({ residentBytes })
  residentBytes = process.memoryUsage.rss()
})
process.on('SIGTERM', async () => {
  server.close()
  await qlik.close()
  process.exit(0)
})
process.on('disconnect', () => process.exit(1))

server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.({ port: (server.address() as AddressInfo).port })
