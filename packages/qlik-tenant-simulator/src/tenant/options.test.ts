import { readFile } from 'node:fs/promises'
import { describe, expect, it } from '@jest/globals'
import { createTenant } from '../index.ts'

describe('options', () => {
  it('are the rows of the README table', async () => {
    const [readme, source] = await Promise.all(
      ['../../README.md', 'options.ts'].map(file => readFile(new URL(file, import.meta.url), 'utf8')),
    )
    const declared = [
      ...((source ?? '').split('export type Settings')[0]?.matchAll(/^ {2}readonly (\w+)\?:/gm) ?? []),
    ].map(([, name]) => name)
    const table = /## Options of `createTenant`([\s\S]*?)\n## /.exec(readme ?? '')?.[1] ?? ''
    const documented = [...table.matchAll(/^\| (`[^|]*`)/gm)].flatMap(([, names = '']) =>
      names.split(', ').map(name => name.replaceAll('`', '')),
    )
    expect(documented.sort()).toEqual(declared.sort())
  })

  it.each([
    [{ port: 70_000 }, /port must be a whole number from 0 to 65535, got 70000/],
    [{ regionPort: 0.5 }, /regionPort must be a whole number from 0 to 65535, got 0.5/],
    [{ codeSeconds: -1 }, /codeSeconds must not be negative, got -1/],
    [
      { clients: [{ clientId: 'x', appType: 'web' as const, redirectUris: ['/relative'] }] },
      /client "x": Redirect URI must be absolute/,
    ],
    [
      {
        clients: [
          {
            clientId: 'x',
            appType: 'web' as const,
            redirectUris: Array.from({ length: 6 }, (_, n) => `https://a.example/${n}`),
          },
        ],
      },
      /At most 5/,
    ],
  ])('rejects %j', async (options, message) => {
    await expect(createTenant(options)).rejects.toThrow(message)
  })
})
