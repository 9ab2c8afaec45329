import { randomUUID } from 'node:crypto'
import { chmod, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QlikOAuthError } from '../protocol/errors.ts'
import { isObject } from '../protocol/json.ts'

/**
 * Reads a file that only its owner may read.
 *
 * @returns `undefined` when there is none.
 * @throws ERR_CONFIGURATION when others may read it too.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new QlikOAuthError(
        'ERR_CONFIGURATION',
        `${path} can be read by others than its owner. Do this first: chmod 600 ${path}`,
      )
    }
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Writes a file for its owner alone: whole or not at all, and never readable by others in between. */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const target = await realpath(path).catch(() => path)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const draft = `${target}.${randomUUID()}`
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(draft, 0o600)
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

export function isMissing(error: unknown): boolean {
  return isObject(error) && error.code === 'ENOENT'
}
