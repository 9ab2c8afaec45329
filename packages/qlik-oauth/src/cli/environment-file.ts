import { readFile } from 'node:fs/promises'
import { configurationError } from '../protocol/option-checks.ts'
import { isMissing, writePrivateFile } from './private-file.ts'

/** A `.env` file that can take the variables of a client. */
export interface EnvironmentFile {
  /**
   * Writes the variables, readable by the owner alone, and keeps all others.
   *
   * @throws ERR_CONFIGURATION for a value that no quotes can hold.
   */
  write(variables: Readonly<Record<string, string>>): Promise<void>
}

/**
 * Checks a `.env` file before the tenant generates a secret, which could not be stored otherwise.
 *
 * @param names The variables that will be written.
 * @throws ERR_CONFIGURATION when one of them has a value, unless `force` is set.
 */
export async function environmentFile(
  path: string,
  names: readonly string[],
  force: boolean,
): Promise<EnvironmentFile> {
  const lines = (await contentOf(path)).split('\n')
  const assigned = names.filter(name => lines.some(line => assignment(name).test(line) && !/=\s*$/.test(line)))
  if (assigned.length > 0 && !force) {
    throw configurationError(
      `${path} already has a value for ${assigned.join(', ')}. Use another file, or --force to replace it.`,
    )
  }
  return {
    async write(variables) {
      const added = Object.entries(variables)
      const kept = lines.filter(line => !added.some(([name]) => assignment(name).test(line)))
      while (kept.at(-1)?.trim() === '') kept.pop()
      const assignments = added.map(([name, value]) => `${name}=${quoted(name, value)}`)
      await writePrivateFile(path, `${[...kept, ...assignments].join('\n')}\n`)
    },
  }
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

function assignment(name: string): RegExp {
  return new RegExp(`^\\s*(export\\s+)?${name}\\s*=`)
}

/**
 * Quotes a value in a way that a shell, `node --env-file`, dotenv and docker compose read alike.
 *
 * @throws ERR_CONFIGURATION where there is none.
 */
function quoted(name: string, value: string): string {
  if (/^[\w./:@%+,=-]*$/.test(value)) return value
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would end the value.
  if (!/['\u0000-\u001f\u007f]/.test(value)) return `'${value}'`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
  if (!/["$\\`\u0000-\u001f\u007f]/.test(value)) return `"${value}"`
  throw configurationError(
    `The value of ${name} has characters that a .env file cannot hold: pass it to the application in another way.`,
  )
}
