import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { spawnFromSource } from 'test-support/child'
import { freePort } from 'test-support/free-port'

export interface DemoProcess {
  readonly origin: string
  /** The first line on standard output. */
  readonly first: { msg: string; url: string }
  /** Everything written so far to standard output and standard error. */
  readonly output: () => string
  /** Sends the signal, waits for the exit, and returns its code; `null` after a signal ended the process. */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the demo from its sources in its own process, as `pnpm start` does, and waits until it is listening. */
export async function startDemo(environment: Record<string, string>): Promise<DemoProcess> {
  const { PORT: port = String(await freePort()) } = environment
  const { child, output, lines } = launch({ ...environment, PORT: port })
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

/** Starts the demo with an environment in which it fails to start. */
export async function failedStart(
  environment: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const { child, output } = launch(environment)
  const [code] = await once(child, 'close')
  return { code, output: output() }
}

function launch(environment: Record<string, string>) {
  const script = fileURLToPath(new URL('../../src/start.ts', import.meta.url))
  const { PATH = '', HOME = '' } = process.env
  const child = spawnFromSource(script, { env: { PATH, HOME, ...environment } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk))
  return { child, output: () => text, lines: createInterface({ input: child.stdout }) }
}
