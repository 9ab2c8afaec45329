import { readFile } from 'node:fs/promises'
import { expect, it } from '@jest/globals'
import { errorTable } from 'qlik-oauth'

it('README.md says what to do about every error code, and about no other', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const listed = [...readme.matchAll(/^\| `(ERR_\w+)` +\| .+ \|$/gm)].map(([, code]) => code)
  expect(listed.sort()).toEqual(Object.keys(errorTable).sort())
})
