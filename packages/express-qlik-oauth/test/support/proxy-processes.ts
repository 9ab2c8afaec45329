import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { SocketEvent } from '../../src/index.ts'

export interface ProxySettings {
  readonly tenant: string
  /** The `Origin` that upgrades must come with. */
  readonly publicUrl: string
}

export interface ProxyProcess {
  readonly port: number
  readonly origin: string
  readonly events: readonly SocketEvent[]
  /** Everything it has written. */
  output(): string
  /** The most memory it has occupied since it was asked last. */
  residentBytes(): Promise<number>
  /** Sends SIGTERM. @returns Its exit code. */
  stop(): Promise<number | null>
}

interface Message {
  readonly port?: number
  readonly residentBytes?: number
  readonly event?: SocketEvent
}

export const publicUrl = 'https://app.example.com'

export async function startProxyProcess(
  tenant: string,
  environment: Record<string, string> = {},
): Promise<ProxyProcess> {
  const file = fileURLToPath(new URL('proxy-process.ts', import.meta.url))
  const child = fork(file, [], {
    execArgv: ['--conditions=source', '--import', import.meta.resolve('tsx')],
    env: { ...process.env, ...environment, SETTINGS: JSON.stringify({ tenant, publicUrl } satisfies ProxySettings) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const written: string[] = []
  const events: SocketEvent[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => written.push(String(chunk)))
  const exited: Promise<number | null> = once(child, 'exit').then(([code]) => code)
  child.on('message', ({ event }: Message) => event !== undefined && events.push(event))
  const port = await Promise.race([
    told(child, ({ port }) => port),
    exited.then(() => Promise.reject(new Error(`The proxy did not start: ${written.join('')}`))),
  ])
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    events,
    output: () => written.join(''),
    residentBytes() {
      const response = told(child, ({ residentBytes }) => residentBytes)
      child.send('memory')
      return response
    },
    async stop() {
      child.kill('SIGTERM')
      return await exited
    },
  }
}

function told<T>(child: ChildProcess, read: (message: Message) => T | undefined): Promise<T> {
  return new Promise(resolve => {
    const listen = (message: Message): void => {
      const value = read(message)
      if (value === undefined) return
      child.off('message', listen)
      resolve(value)
    }
    child.on('message', listen)
  })
}
