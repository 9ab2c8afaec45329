import { createServer, IncomingMessage, ClientRequest, Agent } from 'node:http'
import { once } from 'node:events'
import v8 from 'node:v8'
import { Socket } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import httpProxy from 'http-proxy'
import { fork } from 'node:child_process'
import { socketProxy } from '../src/index.ts'
if (process.argv[2] === 'load') {
  const port = process.argv[3]
  const socks: WebSocket[] = []
  for (let i = 0; i < 1000; i += 50) await Promise.all(Array.from({ length: 50 }, async () => { const s = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/x`, { origin: 'https://app.example.com', perMessageDeflate: false }); socks.push(s); await once(s, 'open') }))
  process.send?.('ready'); setInterval(() => {}, 1000)
} else if (process.argv[2] === 'tenant') {
  const t = createServer(); new WebSocketServer({ server: t }); t.listen(0, '127.0.0.1'); await once(t, 'listening'); process.send?.((t.address() as any).port)
} else {
  const tc = fork(import.meta.filename, ['tenant']); const [tp] = await once(tc, 'message')
  const tenant = `http://127.0.0.1:${tp}`
  const server = createServer()
  if (process.argv[2] === 'ours') { const p = socketProxy({ access: async () => ({ tokens: { tenant, accessToken: async () => 't' } }), publicUrl: 'https://app.example.com' }); server.on('upgrade', p.upgrade) }
  else { const p = httpProxy.createProxyServer({ target: tenant, ws: true }); server.on('upgrade', (a, b, c) => p.ws(a, b, c)) }
  server.listen(0, '127.0.0.1'); await once(server, 'listening')
  const m = () => { for (let i = 0; i < 4; i++) (globalThis as any).gc(); const u = process.memoryUsage(); return Object.fromEntries(Object.entries(u).map(([k, v]) => [k, Math.round(v / 1024)])) }
  console.log(m())
  const lc = fork(import.meta.filename, ['load', String((server.address() as any).port)]); await once(lc, 'message')
  await new Promise(r => setTimeout(r, 300))
  console.log(m())
  for (const c of [IncomingMessage, ClientRequest, Socket, AbortController, AbortSignal, Promise, Buffer, ArrayBuffer, Map, Set, Array, Function, Object]) console.log(c.name, (v8 as any).queryObjects(c, { format: 'count' }))
  if (process.argv[3]) v8.writeHeapSnapshot(process.argv[3])
  tc.kill(); lc.kill(); process.exit()
}
