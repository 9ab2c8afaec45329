import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer {
  readonly host: string
  readonly port: number
  readonly url: string
  /** Ends the process for good. */
  stop(): Promise<void>
  /** Ends the process as a crash would. */
  kill(): Promise<void>
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>
  /** Stops answering without closing anything, like a machine that hangs. */
  pause(): void
  resume(): void
}

/**
 * Starts a `redis-server` of its own on a free port of 127.0.0.1.
 *
 * Where none is installed: `REDIS_URL` is used when it is set (such a server cannot be stopped or paused), as root on Debian the package
 * is installed, and otherwise the error says what to install.
 *
 * @param settings Further lines of redis.conf.
 */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  return redisIsInstalled() ? launch(['save ""', 'appendonly no', ...settings]) : externalRedis()
}

/** Starts a process that has to be our own: a node of a Cluster or a Sentinel. `settings` get to know the port. */
export async function launch(settings: readonly string[], { sentinel = false } = {}): Promise<RedisServer> {
  if (!redisIsInstalled()) throw new Error(`This test stops and starts servers. ${whatToInstall}`)

  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'redis-'))
  const file = join(dir, 'redis.conf')
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, ...settings, ''].join('\n'))
  let child: ChildProcess | undefined

  async function start() {
    child = spawn('redis-server', sentinel ? [file, '--sentinel'] : [file], { stdio: ['ignore', 'ignore', 'inherit'] })
    running.add(child)
    await answering(port, child)
  }

  async function kill() {
    if (child === undefined) return
    const ended = child
    child = undefined
    running.delete(ended)
    if (ended.exitCode !== null || ended.signalCode !== null) return
    const exit = once(ended, 'exit')
    ended.kill('SIGKILL')
    await exit
  }

  await start()
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    async stop() {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
}

/** A port that nobody listens on. It leaves room for the bus of a Cluster node, which is 10000 higher. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port < 55_536 ? port : freePort()
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

function externalRedis(): RedisServer {
  const url = process.env.REDIS_URL
  if (url === undefined) throw new Error(whatToInstall)
  const { hostname, port } = new URL(url)
  const refuse = () => {
    throw new Error(`The server of REDIS_URL cannot be stopped. ${whatToInstall}`)
  }
  return {
    host: hostname,
    port: Number(port || 6379),
    url,
    stop: async () => {},
    kill: async () => refuse(),
    restart: async () => refuse(),
    pause: refuse,
    resume: refuse,
  }
}

const whatToInstall =
  'Install redis-server (apt-get install redis-server, brew install redis), or set REDIS_URL for the tests that need no more.'

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
