import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'

export interface PrivateRedis {
  readonly url: string
  /** Resolves when the server exits unexpectedly. */
  readonly lost: Promise<void>
  close(): Promise<void>
}

/** Starts a private `redis-server` without persistence. @returns `undefined` when none is on the PATH. */
export async function privateRedis(): Promise<PrivateRedis | undefined> {
  const port = await freePort()
  const settings = {
    port,
    bind: '127.0.0.1',
    save: '',
    appendonly: 'no',
    dir: tmpdir(),
    'maxmemory-policy': 'noeviction',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  // Its own process group, so that Ctrl-C does not reach it: requests in progress still need it.
  const server = spawn('sh', ['-c', guardedCommand, 'sh', 'redis-server', ...options], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  server.stdin.on('error', () => {})
  const ended = once(server, 'exit').then(() => {})
  const isUp = await Promise.race([isReady(server.stdout), ended.then(() => false)])
  if (!isUp) return undefined

  let closing = false
  return {
    url: `redis://127.0.0.1:${port}`,
    lost: new Promise(resolve => void ended.then(() => (closing ? undefined : resolve()))),
    async close() {
      closing = true
      server.stdin.end()
      await ended
    },
  }
}

/** Stops the server when our end of the pipe closes, as it does however this process ends. */
const guardedCommand = `
  exec 3<&0
  "$@" 2>/dev/null & server=$!
  { read -r _ <&3; kill "$server" 2>/dev/null; } & guard=$!
  wait "$server"
  kill "$guard" 2>/dev/null`

async function isReady(output: NodeJS.ReadableStream): Promise<boolean> {
  return new Promise(resolve => {
    let text = ''
    output.on('data', chunk => {
      text = text.slice(-2000) + chunk
      if (text.includes('eady to accept connections')) resolve(true)
    })
    output.once('end', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
