/**
 * Measures what a proxied WebSocket costs: CPU per round trip, and memory of a thousand idle sockets, beside http-proxy and a pair of `ws` endpoints.
 *
 * `node --conditions=source --import tsx bench/sockets.ts`, about two minutes. The others look nobody up and check no Origin; they are the floor, not an
 * alternative. Each subject is a process of its own, and its own counters are what is compared.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import httpProxy from 'http-proxy'
import { WebSocket, WebSocketServer } from 'ws'
import { socketProxy } from '../src/index.ts'

const subjects: Readonly<Record<string, (server: Server, tenant: string) => void>> = {
  'this proxy'(server, tenant) {
    const access = { tokens: { tenant, accessToken: async () => 'token' } }
    const proxy = socketProxy({ access: async () => access, publicUrl })
    server.on('upgrade', proxy.upgrade)
  },
  'http-proxy'(server, tenant) {
    const proxy = httpProxy.createProxyServer({ target: tenant, ws: true })
    proxy.on('error', () => {})
    server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
  },
  'ws on both sides'(server, tenant) {
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

const publicUrl = 'https://app.example.com'
const [connections, messageBytes, rounds, seconds, idleSockets] = [50, 200, 5, 2, 1000]

interface Counters {
  readonly cpuMicroseconds: number
  readonly residentBytes: number
}

/** A child process: the tenant, or a subject before it. */
interface Running {
  readonly origin: string
  counters(): Promise<Counters>
  stop(): Promise<void>
}

const [, , role, tenantOrigin = ''] = process.argv
if (role === undefined) await compare()
else await serve(role, tenantOrigin)

async function compare(): Promise<void> {
  const tenant = await start('tenant')
  const cpu = new Map<string, number[]>()
  const memory = new Map<string, number[]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const name of Object.keys(subjects)) {
      const subject = await start(name, tenant.origin)
      put(memory, name, await idleBytes(subject))
      put(cpu, name, await cpuPerRoundTrip(subject))
      await subject.stop()
    }
  }
  await tenant.stop()

  print(`| | CPU us per round trip, median (lowest) | KB per ${idleSockets} idle sockets, median (lowest) |\n|---|---|---|`)
  for (const name of Object.keys(subjects)) {
    print(
      `| ${name} | ${summary(cpu.get(name) ?? [], 1)} | ${summary(
        (memory.get(name) ?? []).map(bytes => bytes / 1024),
        0,
      )} |`,
    )
  }
}

async function idleBytes(subject: Running): Promise<number> {
  // Once before, so that what every process loads once is not counted for each socket.
  await closeAll(await openAll(subject, 100))
  const before = await subject.counters()
  const sockets = await openAll(subject, idleSockets)
  const after = await subject.counters()
  await closeAll(sockets)
  return after.residentBytes - before.residentBytes
}

async function cpuPerRoundTrip(subject: Running): Promise<number> {
  const sockets = await openAll(subject, connections)
  const message = 'x'.repeat(messageBytes)
  let roundTrips = 0
  for (const socket of sockets) {
    socket.on('message', () => {
      roundTrips += 1
      socket.send(message)
    })
    socket.send(message)
  }
  await pause(500)
  const before = await subject.counters()
  const first = roundTrips
  await pause(seconds * 1000)
  const after = await subject.counters()
  const counted = roundTrips - first
  await closeAll(sockets)
  return (after.cpuMicroseconds - before.cpuMicroseconds) / counted
}

async function openAll({ origin }: Running, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = []
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(50, count - sockets.length) }, () => open(origin))
    sockets.push(...(await Promise.all(batch)))
  }
  return sockets
}

async function open(origin: string): Promise<WebSocket> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/bench`, { origin: publicUrl, perMessageDeflate: false })
  await once(socket, 'open')
  return socket
}

async function closeAll(sockets: readonly WebSocket[]): Promise<void> {
  await Promise.all(
    sockets.map(socket => {
      const closed = once(socket, 'close')
      socket.removeAllListeners('message').close()
      return closed
    }),
  )
}

async function start(name: string, tenant = ''): Promise<Running> {
  const child = fork(import.meta.filename, [name, tenant], { execArgv: [...process.execArgv, '--expose-gc'] })
  const [origin] = await once(child, 'message')
  return {
    origin: String(origin),
    counters: () => countersOf(child),
    async stop() {
      child.kill()
      await once(child, 'exit')
    },
  }
}

async function countersOf(child: ChildProcess): Promise<Counters> {
  const answered = once(child, 'message')
  child.send('counters')
  const [counters] = await answered
  return counters as Counters
}

async function serve(name: string, tenant: string): Promise<void> {
  const server = createServer()
  if (name === 'tenant') new WebSocketServer({ server, perMessageDeflate: false }).on('connection', echo)
  else subjects[name]?.(server, tenant)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.on('message', async () => {
    for (let pass = 0; pass < 3; pass += 1) {
      globalThis.gc?.()
      await pause(20)
    }
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMicroseconds: user + system, residentBytes: process.memoryUsage.rss() } satisfies Counters)
  })
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

function echo(socket: WebSocket): void {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
}

function put(map: Map<string, number[]>, name: string, value: number): void {
  map.set(name, [...(map.get(name) ?? []), value])
}

function summary(values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  return `${(sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(digits)} (${(sorted[0] ?? 0).toFixed(digits)})`
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
