import { readFileSync } from 'node:fs'

/**
 * Reads the variables that are given as files: `NAME_FILE` is the path of a file with the value of `NAME`.
 *
 * @returns The values, or a message for the operator when a file cannot be read or a variable is given twice.
 */
export function readVariableFiles(
  names: readonly string[],
  source: NodeJS.ProcessEnv,
): { readonly values: Readonly<Partial<Record<string, string>>> } | { readonly problem: string } {
  const values: Record<string, string> = {}
  for (const name of names) {
    const path = source[`${name}_FILE`]?.trim()
    if (!path) continue
    if (source[name]?.trim()) return { problem: `${name} and ${name}_FILE are both set: remove one of them.` }
    try {
      values[name] = readFileSync(path, 'utf8')
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? error.code : error
      return { problem: `${name}_FILE must name a readable file, got ${JSON.stringify(path)} (${reason}).` }
    }
    if (values[name]?.trim() === '') return { problem: `${name}_FILE names an empty file: ${JSON.stringify(path)}.` }
  }
  return { values }
}
