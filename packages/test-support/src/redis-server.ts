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
 * Where none is installed: `REDIS_URL` is used when it is set (such a server cannot be stopped or paused), as root on
 * Debian the package is installed, and otherwise the error says what to install.
 *
 * @param settings Further lines of redis.conf.
 */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  return redisIsInstalled() ? launch(['save ""', ...settings]) : externalRedis()
}

export interface LaunchOptions {
  readonly port?: number
  readonly sentinel?: boolean
}

/** Starts a process that has to be our own: one that is stopped, a node of a Cluster, a Sentinel. */
export async function launch(settings: readonly string[], options: LaunchOptions = {}): Promise<RedisServer> {
  if (!redisIsInstalled()) throw new Error(`This test stops and starts servers. ${whatToInstall}`)

  const { port = await freePort(), sentinel = false } = options
  const dir = mkdtempSync(join(tmpdir(), 'redis-'))
  const file = join(dir, 'redis.conf')
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, ...settings, ''].join('\n'))
  let server: { pid: number; shell: ChildProcess } | undefined

  async function start() {
    const shell = spawn('sh', ['-c', endsWithItsParent, 'sh', file, ...(sentinel ? ['--sentinel'] : [])], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [pid] = await once(shell.stdout, 'data')
    server = { pid: Number(pid), shell }
    await answering(port)
  }

  async function kill() {
    if (server === undefined) return
    const { shell } = server
    server = undefined
    const exit = once(shell, 'exit')
    shell.stdin?.end()
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
    pause: () => void (server && process.kill(server.pid, 'SIGSTOP')),
    resume: () => void (server && process.kill(server.pid, 'SIGCONT')),
  }
}

/** However the tests end, their end of the pipe closes with them, and the server goes too. */
const endsWithItsParent = 'redis-server "$@" >/dev/null & echo $!; read -r _; kill -9 $!; wait'

/** A port that nobody listens on. It leaves room for the bus of a Cluster node, which is 10000 higher. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port < 55_536 ? port : freePort()
}

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
      [
        '-c',
        'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server',
      ],
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

async function answering(port: number): Promise<void> {
  const deadline = Date.now() + 5000
  while (!(await answers(port))) {
    if (Date.now() > deadline) throw new Error(`redis-server does not start on port ${port}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data')
    return /^(\+PONG|-NOAUTH)/.test(String(reply))
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
