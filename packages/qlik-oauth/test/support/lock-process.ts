/**
 * One of several processes that compete for a lock: prints for each path how many of ten attempts acquired the lock.
 */
import { createInterface } from 'node:readline'
import { fileLock } from '../../src/cli/file-lock.ts'

process.stdout.write('ready\n')
for await (const path of createInterface({ input: process.stdin })) {
  const attempts = await Promise.all(Array.from({ length: 10 }, () => fileLock(path, 60_000)))
  process.stdout.write(`${attempts.filter(attempt => attempt !== 'held').length}\n`)
}
