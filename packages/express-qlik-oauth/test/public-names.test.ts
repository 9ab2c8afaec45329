import { readFile } from 'node:fs/promises'
import { describe, expect, it } from '@jest/globals'
import { typeReader } from './support/type-reader.ts'

const packages = ['express-qlik-oauth', 'qlik-oauth', 'qlik-tenant-simulator']
const index = (name: string) => `${name}/src/index.ts`

// A name that appears here or goes is a change of the public surface: it belongs into the README and the changelog too.
describe('public names', () => {
  const types = typeReader(packages.map(index))

  it.each(packages)('of %s are those in public-names.json', async name => {
    const stored: Record<string, string[]> = JSON.parse(
      await readFile(new URL('public-names.json', import.meta.url), 'utf8'),
    )
    expect(types.exportedNames(index(name))).toEqual(stored[name])
  })
})
