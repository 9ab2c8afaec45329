import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { quick } from '../support/arguments.ts'
import { type Running, startSubject, stop } from '../support/children.ts'
import { peakResidentBytes, resetPeakResidentBytes } from '../support/process-cost.ts'
import { inTurn } from '../support/rounds.ts'
import { publicUrl, type SocketCost, type SocketSubject, socketSubjects } from '../support/setting.ts'
import { spread } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'

const [rounds, seconds, connections, messageBytes, idleSockets] = [quick ? 2 : 5, 2, 50, 200, 1000]
const longMessageBytes = 100_000_000

interface Sample {
  readonly cpu: number
  readonly heap: number
  readonly resident: number
  /** Growth of the peak of resident memory. */
  readonly longMessage: number
}

/**
 * Measures what a proxied WebSocket costs: CPU per round trip, memory of idle sockets, and memory of one long message.
 * Each sample is of a fresh process.
 *
 * `ws-tunnel.ts` does the same job on another base. http-proxy checks no login, Origin or frame: it is the floor.
 */
export async function sockets(): Promise<void> {
  const tenant = await startSubject('socket-proxy.ts', ['tenant'], '1')
  const samples = await inTurn(socketSubjects, rounds, subject => sampleOf(subject, tenant))
  const rows = socketSubjects.map(subject => {
    const list = samples.get(subject) ?? []
    const column = (read: (sample: Sample) => number, digits: number): string => spread(list.map(read), digits)
    return [
      subject,
      column(({ cpu }) => cpu, 1),
      column(({ heap }) => heap / 1e6, 1),
      column(({ resident }) => resident / 1e6, 1),
      column(({ longMessage }) => longMessage / 1e6, 1),
    ]
  })
  const idle = `of ${idleSockets} idle sockets, MB`
  printTable(
    `${connections} sockets, messages of ${messageBytes} bytes`,
    [
      '',
      'CPU us/round trip',
      `Heap ${idle}`,
      `RSS ${idle}`,
      `Peak RSS of a message of ${longMessageBytes / 1e6} MB, MB`,
    ],
    rows,
  )
}

async function sampleOf(name: SocketSubject, tenant: Running): Promise<Sample> {
  const subject = await startSubject('socket-proxy.ts', [name, `http://127.0.0.1:${tenant.port}`], '0')
  const memory = await idleMemory(subject)
  const cpu = await cpuPerRoundTrip(subject)
  const longMessage = await longMessageMemory(subject)
  await stop([subject.process])
  return { cpu, ...memory, longMessage }
}

async function idleMemory(subject: Running): Promise<Pick<Sample, 'heap' | 'resident'>> {
  // Once before: what a process loads once must not count as the cost of sockets.
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

async function longMessageMemory(subject: Running): Promise<number> {
  const { residentBytes } = await costOf(subject, '/collected')
  await resetPeakResidentBytes(subject.process)
  const socket = await opened(subject.port)
  socket.send(Buffer.alloc(longMessageBytes))
  const [length] = await once(socket, 'message')
  if (Number(length) !== longMessageBytes) throw new Error(`Only ${length} bytes arrived at the tenant`)
  await closeAll([socket])
  return (await peakResidentBytes(subject.process)) - residentBytes
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
