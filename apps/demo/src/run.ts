import { type Environment, EnvironmentError, readEnvironment } from './environment.ts'
import { onPackageManagerExit } from './package-manager.ts'
import type { RunningDemo } from './server.ts'

/**
 * Runs the application until SIGTERM, SIGINT or SIGHUP, then exits with the matching code. An error at start is one
 * line on standard error.
 *
 * @param prepare Supplies the environment variables, and may start services that the application needs.
 */
export async function run(
  prepare: () => Promise<Preparation> = async () => ({ variables: process.env }),
): Promise<void> {
  let running: RunningDemo | undefined
  let preparation: Preparation | undefined
  let stopping: Promise<void> | undefined

  const stop = (exitCode: number): Promise<void> => {
    stopping ??= (async () => {
      // The process ends even if a step hangs.
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
    // Imported late, so that an invalid environment is reported before everything else is loaded.
    const { serve } = await import('./server.ts')
    running = await serve(environment)
    preparation.started?.(environment, stop)
    onPackageManagerExit(() => void stop(0))
  } catch (error) {
    process.stderr.write(`${startError(error, preparation?.variables ?? process.env)}\n`)
    await stop(1)
  }
}

export interface Preparation {
  readonly variables: NodeJS.ProcessEnv
  /** Called when the application accepts requests. */
  started?(environment: Environment, stop: (exitCode: number) => Promise<void>): void
  /** Called after the application has closed. */
  close?(): Promise<void>
}

const longestStopMs = 9500

function startError(error: unknown, variables: NodeJS.ProcessEnv): string {
  if (error instanceof EnvironmentError) return error.message
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `PORT ${variables.PORT ?? 3000} is already in use. Stop the other process, or set PORT to a free port.`
  if (code === 'EACCES')
    return `PORT ${variables.PORT ?? 3000} is not permitted for this user. Set PORT to 1024 or above.`
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
