import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer {
  readonly host: string
  readonly port: number
  readonly url: string
  /** Ends the process; a restart begins empty. */
  stop(): Promise<void>
  /** Stops answering without closing anything, like a machine that hangs. */
  pause(): void
  resume(): void
  /** Starts again on the same port. */
  restart(): Promise<void>
}

/**
 * Starts a `redis-server` of its own on a free port of 127.0.0.1.
 *
 * Where none is installed: `REDIS_URL` is used when it is set (without `stop` and `pause`), Debian's package is installed when this
 * process may do so, and otherwise the error says what to install.
 *
 * @param options Further arguments of redis-server, such as `['--maxmemory', '4mb']`.
 */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  if (!redisIsInstalled()) return external()

  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'redis-'))
  let child: ChildProcess | undefined

  async function start() {
    child = spawn(
      'redis-server',
      ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no', ...options],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    )
    running.add(child)
    await answering(port, child)
  }

  async function stop() {
    if (child === undefined) return
    const ended = child
    child = undefined
    running.delete(ended)
    if (ended.exitCode === null && ended.signalCode === null) {
      const exit = once(ended, 'exit')
      ended.kill('SIGKILL')
      await exit
    }
  }

  await start()
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await stop()
      rmSync(dir, { recursive: true, force: true })
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async restart() {
      await stop()
      await start()
    },
  }
}

/** A port that nobody listens on, not even at the distance at which Cluster nodes open their bus. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No port')
  return address.port
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

let installed: boolean | undefined

function redisIsInstalled(): boolean {
  installed ??= hasRedisServer() || (process.env.REDIS_URL === undefined && installOnDebian() && hasRedisServer())
  return installed
}

function hasRedisServer(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function installOnDebian(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    process.stderr.write('redis-server is missing, installing it with apt-get\n')
    execFileSync(
      'sh',
      ['-c', 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server'],
      {
        stdio: 'ignore',
      },
    )
    return true
  } catch {
    return false
  }
}

async function external(): Promise<RedisServer> {
  const url = process.env.REDIS_URL
  if (url === undefined) {
    throw new Error('These tests need redis-server: install it (apt-get install redis-server, brew install redis) or set REDIS_URL')
  }
  const { hostname, port } = new URL(url)
  const cannot = () => {
    throw new Error('The server of REDIS_URL cannot be stopped: install redis-server for this test')
  }
  return {
    host: hostname,
    port: Number(port || 6379),
    url,
    stop: async () => {},
    pause: cannot,
    resume: cannot,
    restart: async () => cannot(),
  }
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`redis-server does not start on port ${port}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data')
    return String(reply).startsWith('+PONG')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
