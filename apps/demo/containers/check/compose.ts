import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A Compose project on the engine of this machine. */
export interface Compose {
  /** Runs `docker compose …` for this project and returns its standard output. @throws Error with the last line of its output */
  (...command: readonly string[]): Promise<string>
  /** Ids of the running containers of a service. */
  containers(service: string): Promise<readonly string[]>
}

export function compose(project: string, files: readonly string[], variables: NodeJS.ProcessEnv): Compose {
  const options = ['--project-name', project, ...files.flatMap(file => ['--file', file])]
  const command = (...rest: readonly string[]) => docker(['compose', ...options, ...rest], variables)
  return Object.assign(command, {
    async containers(service: string) {
      return (await command('ps', '--quiet', service)).split('\n').filter(Boolean)
    },
  })
}

/** @throws Error with the last line of what docker wrote to standard error */
export async function docker(command: readonly string[], variables: NodeJS.ProcessEnv = {}): Promise<string> {
  try {
    const { stdout } = await run('docker', [...command], {
      env: { ...process.env, ...variables },
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout.trim()
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new Error(`docker ${command.slice(0, 8).join(' ')}: ${output.split('\n').at(-1)}`)
  }
}

/** Version of the engine, or `undefined` when none responds. */
export async function engineVersion(): Promise<string | undefined> {
  return await docker(['version', '--format', '{{.Server.Version}}']).catch(() => undefined)
}
