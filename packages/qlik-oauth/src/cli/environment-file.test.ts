import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { environmentFile } from './environment-file.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qlik-oauth-env-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function written(values: Record<string, string>): Promise<string> {
  const path = join(directory, '.env')
  await rm(path, { force: true })
  await (await environmentFile(path, Object.keys(values), false)).write(values)
  return path
}

/** The variables as `node --env-file` and a shell read them. */
async function readByNodeAndShell(path: string, names: readonly string[]): Promise<string[][]> {
  const print = `process.stdout.write(JSON.stringify(${JSON.stringify(names)}.map(name => process.env[name])))`
  const outputs = await Promise.all([
    promisify(execFile)(process.execPath, [`--env-file=${path}`, '-e', print], { env: {} }),
    promisify(execFile)('sh', ['-c', `set -a; . "$1"; exec "$2" -e "$3"`, 'sh', path, process.execPath, print], {
      env: { PATH: process.env.PATH },
    }),
  ])
  return outputs.map(({ stdout }) => JSON.parse(stdout))
}

describe('a value in a .env file', () => {
  const values = {
    PLAIN: 'abc-123_./:@%+,=',
    SPACES: 'user_default offline_access',
    QUOTE: "it's",
    DOUBLE: 'say "hello"',
    DOLLAR: 'a$HOME$(id)`id`',
    HASH: ' #comment ',
    BACKSLASH: 'a\\nb\\',
    UNICODE: 'Zürich ☃',
    EMPTY: '',
  }

  it('is read exactly as it was written', async () => {
    const path = await written(values)
    for (const read of await readByNodeAndShell(path, Object.keys(values))) expect(read).toEqual(Object.values(values))
  })

  it.each(['a\nb', 'a\rb', 'a\0b', `'"`, `'$`, `'\\`, "'`"])(
    'is refused when no quotes can hold it: %j',
    async value => {
      await expect(written({ QLIK_CLIENT_SECRET: value })).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
        message: expect.not.stringContaining(value),
      })
    },
  )

  it('survives or is refused, whatever it is', async () => {
    const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(...`ab '"$\\\`#=\n`) }))
    const candidates = fc.sample(value, 300).filter(text => !text.includes('\0'))
    const accepted: Record<string, string> = {}
    for (const [index, text] of candidates.entries()) {
      const isWritten = await written({ [`V${index}`]: text }).then(
        () => true,
        () => false,
      )
      if (isWritten) accepted[`V${index}`] = text
    }
    const path = await written(accepted)
    for (const read of await readByNodeAndShell(path, Object.keys(accepted)))
      expect(read).toEqual(Object.values(accepted))
  })
})

describe('a .env file', () => {
  it('keeps the other lines, is readable by its owner alone, and stays a symbolic link', async () => {
    const [target, link] = [join(directory, 'target.env'), join(directory, 'link.env')]
    await writeFile(target, '# settings\nPORT=3000\nexport QLIK_CLIENT_ID=\n\n', { mode: 0o644 })
    await symlink(target, link)
    await (await environmentFile(link, ['QLIK_CLIENT_ID'], false)).write({ QLIK_CLIENT_ID: 'web' })
    expect(await readFile(target, 'utf8')).toBe('# settings\nPORT=3000\nQLIK_CLIENT_ID=web\n')
    expect((await stat(target)).mode & 0o777).toBe(0o600)
    expect(await readFile(link, 'utf8')).toContain('QLIK_CLIENT_ID=web')
  })

  it('is not changed when a value cannot be written', async () => {
    const path = join(directory, 'kept.env')
    await writeFile(path, 'PORT=3000\n')
    const file = await environmentFile(path, ['QLIK_CLIENT_SECRET'], false)
    await expect(file.write({ QLIK_CLIENT_SECRET: 'a\nb' })).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(await readFile(path, 'utf8')).toBe('PORT=3000\n')
  })
})
