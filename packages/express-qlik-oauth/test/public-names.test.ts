import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { typeReader } from './support/type-reader.ts'

const packages = ['express-qlik-oauth', 'qlik-oauth', 'qlik-tenant-simulator']
const index = (name: string) => `${name}/src/index.ts`
const at = (file: string) => new URL(file, import.meta.url)
const stored = (file: string) => JSON.parse(readFileSync(at(file), 'utf8'))

// A change here is a change of the public surface: it belongs into the README and the changelog too. After an intended
// change of signatures: UPDATE_SIGNATURES=1 node --experimental-vm-modules node_modules/jest/bin/jest.js public-names
describe('public names', () => {
  const types = typeReader(packages.map(index))
  if (process.env.UPDATE_SIGNATURES !== undefined) {
    const all = Object.fromEntries(packages.map(name => [name, types.signatures(index(name))]))
    writeFileSync(at('public-signatures.json'), `${JSON.stringify(all, null, 2)}\n`)
  }

  it.each(packages)('of %s are those in public-names.json', name => {
    expect(types.exportedNames(index(name))).toEqual(stored('public-names.json')[name])
  })

  it.each(packages)('of %s have the types in public-signatures.json', name => {
    expect(types.signatures(index(name))).toEqual(stored('public-signatures.json')[name])
  })

  it('of express-qlik-oauth hide none of qlik-oauth, all of which it re-exports', () => {
    const [own, all] = [types.exportedNames(index('express-qlik-oauth')), types.exportedNames(index('qlik-oauth'))]
    expect(own).toContain("* from 'qlik-oauth'")
    expect(all.filter(name => own.includes(name))).toEqual([])
  })
})
