import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qlik-oauth-file-'))
})
afterAll(() => rm(directory, { recursive: true }))

describe('a private file', () => {
  it('is readable by its owner alone, whatever the umask and the mode before', async () => {
    const path = join(directory, 'new', 'logins.json')
    const umask = process.umask(0)
    try {
      await writePrivateFile(path, 'one')
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect((await stat(join(directory, 'new'))).mode & 0o777).toBe(0o700)
      await chmod(path, 0o666)
      await writePrivateFile(path, 'two')
      expect((await stat(path)).mode & 0o777).toBe(0o600)
    } finally {
      process.umask(umask)
    }
    expect(await readPrivateFile(path)).toBe('two')
  })

  it('is replaced as a whole by concurrent writers, and leaves no temporary file', async () => {
    const path = join(directory, 'busy', 'logins.json')
    const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(100_000))
    await writePrivateFile(path, contents[0] ?? '')
    const reads: string[] = []
    await Promise.all(
      contents.map(async content => {
        await writePrivateFile(path, content)
        reads.push(await readFile(path, 'utf8'))
      }),
    )
    for (const read of reads) expect(contents.includes(read)).toBe(true)
    expect(await readdir(join(directory, 'busy'))).toEqual(['logins.json'])
  })

  it.each([0o640, 0o604, 0o666, 0o610])('is refused with mode %o', async mode => {
    const path = join(directory, 'open.json')
    await writeFile(path, 'secret')
    await chmod(path, mode)
    await expect(readPrivateFile(path)).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringContaining('chmod 600'),
    })
  })

  it('is undefined when it does not exist', async () => {
    expect(await readPrivateFile(join(directory, 'missing'))).toBeUndefined()
  })
})
