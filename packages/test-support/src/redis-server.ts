import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'
import { redisIsInstalled } from './programs.ts'

export interface RedisServer {
  readonly host: string
  readonly port: number
  readonly url: string
  /** Ends the process for good. */
  stop(): Promise<void>
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>
  /** Suspends the process: its connections stay open, and it sends nothing. */
  pause(): void
  resume(): void
}

/**
 * Starts a `redis-server` on a free port of 127.0.0.1, or returns the server of `REDIS_URL` where the program is not
 * installed. The server of `REDIS_URL` cannot be stopped or paused.
 *
 * @param settings Further lines of redis.conf.
 */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  return redisIsInstalled() ? launch(['save ""', ...settings]) : externalRedis()
}

export interface LaunchOptions {
  /** @default a free one */
  readonly port?: number
  readonly sentinel?: boolean
}

/** Starts a `redis-server` that the test may stop, or that is a node of a Cluster or a Sentinel. */
export async function launch(settings: readonly string[], options: LaunchOptions = {}): Promise<RedisServer> {
  if (!redisIsInstalled()) throw new Error(`This test stops and starts servers. ${whatToInstall}`)

  for (let attempt = 1; ; attempt += 1) {
    const { port = await freePort(), sentinel = false } = options
    try {
      return await launchOn(port, settings, sentinel)
    } catch (error) {
      if (!(error instanceof PortTakenError) || options.port !== undefined || attempt === 5) throw error
    }
  }
}

async function launchOn(port: number, settings: readonly string[], sentinel: boolean): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'redis-'))
  const file = join(dir, 'redis.conf')
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, ...settings, ''].join('\n'))
  const flags = sentinel ? ['--sentinel'] : []
  let server: RunningServer | undefined

  async function kill() {
    const killed = server
    server = undefined
    await killed?.kill()
  }

  async function stop() {
    await kill()
    rmSync(dir, { recursive: true, force: true })
  }

  try {
    server = await running(port, [file, ...flags])
  } catch (error) {
    await stop()
    throw error
  }
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    stop,
    restart: async () => {
      await kill()
      server = await running(port, [file, ...flags])
    },
    pause: () => void (server && process.kill(server.pid, 'SIGSTOP')),
    resume: () => void (server && process.kill(server.pid, 'SIGCONT')),
  }
}

interface RunningServer {
  readonly pid: number
  kill(): Promise<void>
}

class PortTakenError extends Error {}

/** Starts the process and waits for the line of its log that says it accepts connections. */
async function running(port: number, args: readonly string[]): Promise<RunningServer> {
  const shell = spawn('sh', ['-c', endsWithItsParent, 'sh', ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = once(shell, 'exit')
  const kill = async () => {
    shell.stdin.end()
    await exited
  }

  const log: string[] = []
  const pid = await new Promise<number | undefined>(resolve => {
    const deadline = setTimeout(resolve, startMs, undefined)
    const lines = createInterface({ input: shell.stdout })
    lines.on('line', line => {
      log.push(line)
      // Each line begins with the id of the process.
      if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve(Number.parseInt(line, 10))
    })
    shell.stderr.on('data', chunk => log.push(String(chunk)))
    void Promise.allSettled([exited, once(lines, 'close')]).then(() => resolve(undefined))
    void exited.finally(() => clearTimeout(deadline))
  })
  if (pid !== undefined) return { pid, kill }

  await kill()
  const message = `redis-server does not start on port ${port}:\n${log.join('\n')}`
  throw log.some(line => line.includes('Address already in use')) ? new PortTakenError(message) : new Error(message)
}

const startMs = 30_000

/** However the tests end, their end of the pipe closes, and the server is killed. */
const endsWithItsParent = `
exec 3<&0
redis-server "$@" 3<&- & server=$!
( read -r _ <&3; kill -9 $server ) >/dev/null 2>&1 & watch=$!
wait $server
status=$?
kill $watch 2>/dev/null
exit $status`

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
