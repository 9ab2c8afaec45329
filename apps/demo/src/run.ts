import { type Environment, EnvironmentError, readEnvironment } from './environment.ts'
import { endWithPackageManager } from './package-manager.ts'
import type { RunningDemo } from './server.ts'

/**
 * Runs the application until it is told to stop, and sets the exit code. Whatever is wrong at start is one line on
 * standard error.
 *
 * @param prepare Changes the environment before it is checked, and may start what the application needs.
 */
export async function run(
  prepare: () => Promise<Preparation> = async () => ({ variables: process.env }),
): Promise<void> {
  let running: RunningDemo | undefined
  let preparation: Preparation | undefined
  let stopping: Promise<void> | undefined

  const stop = (exitCode: number): Promise<void> => {
    stopping ??= (async () => {
      // Whatever hangs, the process ends.
      setTimeout(() => process.exit(exitCode), longestStopMs).unref()
      await running?.close()
      await preparation?.close?.()
      process.exit(exitCode)
    })()
    return stopping
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void stop(0))

  try {
    preparation = await prepare()
    const environment = readEnvironment(preparation.variables)
    // Only now: a wrong environment is told at once, before all the rest is loaded.
    const { serve } = await import('./server.ts')
    running = await serve(environment)
    preparation.started?.(environment, stop)
    endWithPackageManager(() => void stop(0))
  } catch (error) {
    process.stderr.write(`${explanation(error, preparation?.variables ?? process.env)}\n`)
    await stop(1)
  }
}

export interface Preparation {
  readonly variables: NodeJS.ProcessEnv
  /** Called once the application serves. */
  started?(environment: Environment, stop: (exitCode: number) => Promise<void>): void
  /** Called after the application has stopped. */
  close?(): Promise<void>
}

const longestStopMs = 9000

function explanation(error: unknown, variables: NodeJS.ProcessEnv): string {
  if (error instanceof EnvironmentError) return error.message
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `PORT ${variables.PORT ?? 3000} is taken by another process. Stop that one, or set PORT to a free port.`
  if (code === 'EACCES')
    return `PORT ${variables.PORT ?? 3000} may not be used by this user. Set PORT to one above 1023.`
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
