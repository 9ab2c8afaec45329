import { readFile } from 'node:fs/promises'
import { QlikOAuthError } from '../protocol/errors.ts'
import { isMissing, writePrivateFile } from './private-file.ts'

/** A `.env` file, looked at before the tenant is asked for a secret that could then not be written down. */
export interface EnvironmentFile {
  /** Writes the variables for the owner alone, and leaves all others as they are. */
  write(variables: Readonly<Record<string, string>>): Promise<void>
}

/**
 * @param names The variables that will be written.
 * @throws ERR_CONFIGURATION when one of them has a value already, unless `force`.
 */
export async function environmentFile(
  path: string,
  names: readonly string[],
  force: boolean,
): Promise<EnvironmentFile> {
  const lines = (await contentOf(path)).split('\n')
  const taken = names.filter(name => lines.some(line => assignment(name).test(line) && !/=\s*$/.test(line)))
  if (taken.length > 0 && !force) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `${path} has a value for ${taken.join(', ')} already. Use another file, or --force to replace it.`,
    )
  }
  return {
    async write(variables) {
      const added = Object.entries(variables)
      const kept = lines.filter(line => !added.some(([name]) => assignment(name).test(line)))
      while (kept.at(-1)?.trim() === '') kept.pop()
      await writePrivateFile(
        path,
        `${[...kept, ...added.map(([name, value]) => `${name}=${quoted(value)}`)].join('\n')}\n`,
      )
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

function quoted(value: string): string {
  return /^[\w./:@%+,=-]*$/.test(value) ? value : `'${value.replaceAll("'", '')}'`
}
