import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isObject } from '../protocol/json.ts'
import type { StoreLock } from '../stores/login-store.ts'
import { isMissing } from './private-file.ts'

/**
 * Acquires a lock between the commands of one user. A holder that does not renew it within `leaseMs` loses it.
 *
 * The lock is a directory with one file, whose name holds the end of the lease and the holder. To renew the lock or to
 * take an expired one over is to rename that file, which succeeds for one process only; a holder that lost the lock
 * finds its file gone.
 */
export async function fileLock(path: string, leaseMs: number): Promise<StoreLock | 'held'> {
  const holder = randomUUID()
  const lease = () => join(path, `${Date.now() + leaseMs}.${holder}`)
  let own = lease()

  const [current] = (await ifExists(readdir(path))) ?? []
  const acquired = current === undefined ? await create(path, own) : await takeOverExpired(join(path, current), own)
  if (!acquired) return 'held'
  return {
    async renew() {
      const next = lease()
      const renewed = await renamed(own, next)
      if (renewed) own = next
      return renewed
    },
    async release() {
      await ifExists(unlink(own))
      // Fails when another process has acquired the lock in between.
      await rmdir(path).catch(() => {})
    },
  }
}

/** @returns False when another process has created the lock. */
async function create(path: string, own: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`
  await mkdir(draft, { recursive: true, mode: 0o700 })
  await writeFile(join(draft, basename(own)), '')
  try {
    // Succeeds where there is no directory; except on Windows, also onto an empty one.
    await rename(draft, path)
    return true
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!isObject(error) || !['EEXIST', 'ENOTEMPTY', 'EPERM'].includes(String(error.code))) throw error
    // Removes an empty directory only: the next attempt creates the lock.
    await rmdir(path).catch(() => {})
    return false
  }
}

async function takeOverExpired(current: string, own: string): Promise<boolean> {
  return Number.parseInt(basename(current), 10) < Date.now() && (await renamed(current, own))
}

async function renamed(from: string, to: string): Promise<boolean> {
  return (await ifExists(rename(from, to).then(() => true))) ?? false
}

async function ifExists<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
