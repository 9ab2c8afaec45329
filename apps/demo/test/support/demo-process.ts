import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { spawnFromSource } from 'test-support/child'
import { freePort } from 'test-support/free-port'

export interface DemoProcess {
  readonly origin: string
  /** The first line on standard output. */
  readonly first: { msg: string; url: string }
  /** Everything written so far, to both streams. */
  readonly output: () => string
  /** Sends the signal and resolves with the exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the demo from its sources as a process of its own, as `pnpm start` would, and waits until it serves. */
export async function startDemo(environment: Record<string, string>): Promise<DemoProcess> {
  const port = String(await freePort())
  const { child, output, lines } = launch({ PORT: port, ...environment })
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])])
  if (line === '') throw new Error(`The demo did not start: ${output()}`)
  return {
    origin: `http://localhost:${port}`,
    first: JSON.parse(line),
    output,
    async end(signal = 'SIGTERM') {
      if (child.exitCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill(signal)
      const [code] = await exited
      return code
    },
  }
}

/** Starts the demo with an environment that it refuses. @returns Exit code and what it said. */
export async function refusedStart(
  environment: Record<string, string>,
): Promise<{ code: number | null; said: string }> {
  const { child, output } = launch(environment)
  const [code] = await once(child, 'close')
  return { code, said: output() }
}

function launch(environment: Record<string, string>) {
  const script = fileURLToPath(new URL('../../src/start.ts', import.meta.url))
  const { PATH = '', HOME = '' } = process.env
  const child = spawnFromSource(script, { env: { PATH, HOME, ...environment } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk))
  return { child, output: () => text, lines: createInterface({ input: child.stdout }) }
}
