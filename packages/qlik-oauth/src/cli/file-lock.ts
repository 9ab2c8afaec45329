import { mkdir, open, rm, stat, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isObject } from '../protocol/json.ts'
import type { Lock } from '../stores/login-store.ts'
import { isMissing } from './private-file.ts'

/**
 * Takes a lock that is a file: for several commands of one user at once. A lock that its holder has not renewed for
 * `leaseMs` belongs to a process that died.
 */
export async function fileLock(path: string, leaseMs: number): Promise<Lock | 'held'> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  if (await isStale(path, leaseMs)) await rm(path, { force: true })
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (error) {
    if (isObject(error) && error.code === 'EEXIST') return 'held'
    throw error
  }
  return {
    async renew() {
      const now = new Date()
      return utimes(path, now, now).then(
        () => true,
        () => false,
      )
    },
    release: () => rm(path, { force: true }),
  }
}

async function isStale(path: string, leaseMs: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > leaseMs
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
