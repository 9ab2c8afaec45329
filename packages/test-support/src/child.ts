import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/** A process that answers each line with a line. */
export interface Child {
  readonly process: ChildProcess
  ask(line: string): Promise<string>
  kill(): Promise<void>
  /** Closes its input and waits until it has ended by itself. */
  stop(): Promise<void>
}

/** Starts a TypeScript file from its source; it prints a line when it is ready. */
export async function startChild(script: URL, environment: Record<string, string>): Promise<Child> {
  const child = spawn(process.execPath, [...fromSource, fileURLToPath(script)], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const ready = await Promise.race([once(lines, 'line'), exited.then(() => undefined)])
  if (ready === undefined) throw new Error(`${script} ended before it was ready`)

  return {
    process: child,
    async ask(line) {
      const answered = once(lines, 'line')
      child.stdin?.write(`${line}\n`)
      const [text] = await answered
      return text
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.stdin?.end()
      await exited
    },
  }
}

/**
 * Starts a program of this repository from its TypeScript source, with exactly this environment. It ends at the latest
 * with the test process.
 */
export function spawnFromSource(
  script: string,
  options: { readonly cwd?: string; readonly env: Record<string, string> },
): ChildProcessByStdio<null, Readable, Readable> {
  const endWithParent = new URL('end-with-parent.js', import.meta.url).href
  const child = spawn(process.execPath, [...fromSource, '--import', endWithParent, script], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  // Streams of a child are typed by the number of descriptors, and there is none for four.
  return child as unknown as ChildProcessByStdio<null, Readable, Readable>
}

const fromSource = ['--conditions=source', '--import', import.meta.resolve('tsx')]
