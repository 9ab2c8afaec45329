import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { quick } from './arguments.ts'
import { type Running, startScript, stop } from './children.ts'
import { inTurn } from './rounds.ts'
import { publicUrl, type SocketCost, type SocketSubject, socketSubjects } from './setting.ts'
import { spread } from './statistics.ts'
import { printTable } from './table.ts'

const [rounds, seconds, connections, messageBytes, idleSockets] = [quick ? 2 : 5, 2, 50, 200, 1000]

interface Sample {
  readonly cpu: number
  readonly heap: number
  readonly resident: number
}

/**
 * Measures what a proxied WebSocket costs: CPU per round trip, and memory of a thousand idle sockets. Each sample is of
 * a fresh process.
 *
 * The others look nobody up and check no Origin; they are the floor, not an alternative.
 */
export async function sockets(): Promise<void> {
  const tenant = await startScript('socket-subject.ts', ['tenant'], '1')
  const samples = await inTurn(socketSubjects, rounds, subject => sampleOf(subject, tenant))
  const rows = socketSubjects.map(subject => {
    const list = samples.get(subject) ?? []
    const column = (read: (sample: Sample) => number, digits: number): string => spread(list.map(read), digits)
    return [
      subject,
      column(({ cpu }) => cpu, 1),
      column(({ heap }) => heap / 1e6, 1),
      column(({ resident }) => resident / 1e6, 1),
    ]
  })
  const idle = `of ${idleSockets} idle sockets, MB`
  printTable(
    `${connections} sockets, messages of ${messageBytes} bytes`,
    ['', 'CPU us/round trip', `Heap ${idle}`, `RSS ${idle}`],
    rows,
  )
}

async function sampleOf(name: SocketSubject, tenant: Running): Promise<Sample> {
  const subject = await startScript('socket-subject.ts', [name, `http://127.0.0.1:${tenant.port}`], '0')
  const memory = await idleMemory(subject)
  const cpu = await cpuPerRoundTrip(subject)
  await stop([subject.process])
  return { cpu, ...memory }
}

async function idleMemory(subject: Running): Promise<Omit<Sample, 'cpu'>> {
  // Once before, so that what every process loads once is not counted for each socket.
  await closeAll(await openAll(subject, 100))
  const before = await costOf(subject, '/collected')
  const open = await openAll(subject, idleSockets)
  const after = await costOf(subject, '/collected')
  await closeAll(open)
  return { heap: after.heapBytes - before.heapBytes, resident: after.residentBytes - before.residentBytes }
}

async function cpuPerRoundTrip(subject: Running): Promise<number> {
  const open = await openAll(subject, connections)
  const message = 'x'.repeat(messageBytes)
  let roundTrips = 0
  for (const socket of open) {
    socket.on('message', () => {
      roundTrips += 1
      socket.send(message)
    })
    socket.send(message)
  }
  await pause(500)
  const before = await costOf(subject)
  const first = roundTrips
  await pause(seconds * 1000)
  const after = await costOf(subject)
  const counted = roundTrips - first
  await closeAll(open)
  return (after.cpuMicroseconds - before.cpuMicroseconds) / counted
}

async function openAll({ port }: Running, count: number): Promise<WebSocket[]> {
  const open: WebSocket[] = []
  while (open.length < count)
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, count - open.length) }, () => opened(port)))))
  return open
}

async function opened(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/bench`, { origin: publicUrl, perMessageDeflate: false })
  await once(socket, 'open')
  return socket
}

async function closeAll(open: readonly WebSocket[]): Promise<void> {
  await Promise.all(
    open.map(socket => {
      const closed = once(socket, 'close')
      socket.removeAllListeners('message').close()
      return closed
    }),
  )
}

async function costOf({ port }: Running, path = '/'): Promise<SocketCost> {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as SocketCost
}
