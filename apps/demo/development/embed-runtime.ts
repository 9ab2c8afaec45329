import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Bundles the simulator's embed runtime, unless it is up to date. */
export async function buildEmbedRuntime(): Promise<void> {
  const simulator = dirname(dirname(fileURLToPath(import.meta.resolve('qlik-tenant-simulator'))))
  const script = join(simulator, 'scripts', 'build-embed-runtime.ts')
  // Its output goes to standard error: the first line on standard output announces the application.
  const build = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script], {
    cwd: simulator,
    stdio: ['ignore', 2, 2],
  })
  const [code] = await once(build, 'exit')
  if (code !== 0) throw new Error('Building the embed runtime of the simulated tenant failed.')
}
