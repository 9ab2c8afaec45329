import { mkdir, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { isObject } from '../protocol/json.ts'
import { configurationError } from '../protocol/option-checks.ts'

/**
 * Reads a file that only its owner may read.
 *
 * @returns `undefined` when the file does not exist.
 * @throws ERR_CONFIGURATION when other users may read it.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw configurationError(`${path} can be read by other users. Run: chmod 600 ${path}`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/**
 * Writes a file that only its owner may read. The file is replaced as a whole or not at all; a symbolic link stays a
 * link.
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFileAtomic(path, content, { mode: 0o600, tmpfileCreated: checkOwner })
}

/**
 * The name of the temporary file can be guessed, so another user with access to the directory may have created it.
 * Throwing here keeps the content from being written.
 */
async function checkOwner(temporaryFile: string): Promise<void> {
  if (process.getuid === undefined) return
  const { uid, mode } = await stat(temporaryFile)
  if (uid !== process.getuid() || (mode & 0o077) !== 0)
    throw configurationError(`${temporaryFile} belongs to another user or can be read by other users. Delete it first.`)
}

/** Whether a file system error says that the path does not exist. */
export function isMissing(error: unknown): boolean {
  return isObject(error) && error.code === 'ENOENT'
}
