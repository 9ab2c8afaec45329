import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { startChild } from 'test-support/child'
import type { StoreLock } from '../stores/login-store.ts'
import { fileLock } from './file-lock.ts'

let directory: string
let path: string
let number = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qlik-oauth-lock-'))
})
afterAll(() => rm(directory, { recursive: true }))
beforeEach(() => {
  path = join(directory, `${number++}.lock`)
})

const isLock = (result: StoreLock | 'held'): result is StoreLock => result !== 'held'

/** The lock of a process that died. */
async function expiredLock(at = path): Promise<void> {
  await mkdir(at)
  await writeFile(join(at, `${Date.now() - 1}.dead`), '')
}

describe('a lock between processes', () => {
  it('has one holder until it is released', async () => {
    const attempts = await Promise.all(Array.from({ length: 20 }, () => fileLock(path, 60_000)))
    const [lock, ...others] = attempts.filter(isLock)
    expect(others).toEqual([])
    expect(await fileLock(path, 60_000)).toBe('held')
    await lock?.release()
    expect(isLock(await fileLock(path, 60_000))).toBe(true)
  })

  it('is taken over by one process when it has expired', async () => {
    for (let round = 0; round < 50; round++) {
      const at = join(directory, `expired-${round}.lock`)
      await expiredLock(at)
      const attempts = await Promise.all(Array.from({ length: 10 }, () => fileLock(at, 60_000)))
      expect(attempts.filter(isLock)).toHaveLength(1)
    }
  })

  it('is taken over by one of several processes that see it expire at the same time', async () => {
    const racer = new URL('../../test/support/lock-process.ts', import.meta.url)
    const racers = await Promise.all(Array.from({ length: 3 }, () => startChild(racer, {})))
    try {
      for (let round = 0; round < 20; round++) {
        const at = join(directory, `race-${round}.lock`)
        await expiredLock(at)
        const acquired = await Promise.all(racers.map(one => one.ask(at)))
        expect(acquired.map(Number).reduce((sum, count) => sum + count)).toBe(1)
      }
    } finally {
      await Promise.all(racers.map(one => one.stop()))
    }
  })

  it('cannot be renewed or released by a holder that lost it', async () => {
    const lost = await fileLock(path, -1)
    const current = await fileLock(path, 60_000)
    if (!isLock(lost) || !isLock(current)) throw new Error('The expired lock was not taken over')
    expect(await lost.renew()).toBe(false)
    await lost.release()
    expect(await fileLock(path, 60_000)).toBe('held')
    expect(await current.renew()).toBe(true)
    await current.release()
    await lost.release()
    expect(await readdir(directory).then(names => names.filter(name => path.endsWith(name)))).toEqual([])
  })

  it('does not expire while it is renewed', async () => {
    const lock = await fileLock(path, -1)
    if (!isLock(lock)) throw new Error('The lock was not acquired')
    expect(await lock.renew()).toBe(true)
    const [renewed] = await readdir(path)
    expect(await readdir(path)).toHaveLength(1)
    expect(Number.parseInt(renewed ?? '', 10)).toBeGreaterThan(0)
  })

  it('is acquired where another process was interrupted while releasing it', async () => {
    await mkdir(path)
    const attempts = [await fileLock(path, 60_000), await fileLock(path, 60_000)]
    expect(attempts.filter(isLock)).toHaveLength(1)
  })

  it('leaves nothing behind', async () => {
    const at = join(directory, 'clean', 'one.lock')
    const locks = await Promise.all(Array.from({ length: 10 }, () => fileLock(at, 60_000)))
    await Promise.all(locks.filter(isLock).map(lock => lock.release()))
    expect(await readdir(join(directory, 'clean'))).toEqual([])
  })
})
