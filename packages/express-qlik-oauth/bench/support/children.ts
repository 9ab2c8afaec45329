import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The CPUs a child may run on. */
export type Cpu = '0' | '1' | '0,1'

/** A process that listens. */
export interface Running {
  readonly process: ChildProcess
  readonly port: number
}

const children = new Set<ChildProcess>()

/** Configuration and static files; deleted at the end. */
export const directory = await mkdtemp(join(tmpdir(), 'qlik-bench-'))

/** Starts a program bound to a CPU. */
export function start(command: string, parameters: readonly string[], cpu: Cpu): ChildProcess {
  const child = spawn('taskset', ['-c', cpu, command, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (command !== process.execPath) child.stdout?.resume()
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Starts a script of `subjects/`, which prints `{ port }` when it listens. It runs the built packages. */
export async function startSubject(name: string, parameters: readonly string[], cpu: Cpu): Promise<Running> {
  const file = fileURLToPath(new URL(`../subjects/${name}`, import.meta.url))
  const profile = process.argv.includes('--cpu-prof')
    ? ['--cpu-prof', `--cpu-prof-dir=${join(tmpdir(), 'qlik-bench-profiles')}`]
    : []
  const child = start(process.execPath, ['--import', 'tsx', ...profile, file, ...parameters], cpu)
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [])])
  if (line === undefined) throw new Error(`${name} ${parameters.join(' ')} did not start`)
  return { process: child, port: JSON.parse(line).port }
}

export async function startRedis(cpu: Cpu = '1'): Promise<number> {
  const port = await freePort()
  start('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'], cpu)
  await listening(port)
  return port
}

/** Ends these children, or all of them. */
export async function stop(some: Iterable<ChildProcess> = children): Promise<void> {
  const ending = [...some].filter(child => children.has(child))
  for (const child of ending) child.kill('SIGTERM')
  await Promise.all(
    ending.map(child => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined)),
  )
}

/** Ends all children and deletes the temporary directory. */
export async function cleanUp(): Promise<void> {
  await stop()
  await rm(directory, { recursive: true, force: true })
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** Waits until a process accepts connections on the port. */
export async function listening(port: number): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    if (Date.now() > deadline) throw new Error(`Nothing listens on port ${port}`)
    const socket = connect(port, '127.0.0.1')
    const connected = await new Promise<boolean>(done =>
      socket.on('connect', () => done(true)).on('error', () => done(false)),
    )
    socket.destroy()
    if (connected) return
  }
}

function interrupted(): void {
  for (const child of children) child.kill('SIGTERM')
  rmSync(directory, { recursive: true, force: true })
  process.exit(1)
}
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(event, interrupted)
process.stdout.on('error', interrupted)
