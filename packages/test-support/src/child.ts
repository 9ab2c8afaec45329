import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A process of its own that answers each line with a line. */
export interface Child {
  readonly process: ChildProcess
  ask(line: string): Promise<string>
  kill(): Promise<void>
  /** Closes its input and waits until it has ended by itself. */
  stop(): Promise<void>
}

/** Starts a TypeScript file from its source; it prints a line when it is ready. */
export async function startChild(script: URL, environment: Record<string, string>): Promise<Child> {
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', fileURLToPath(script)], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')

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
