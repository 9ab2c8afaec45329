import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { errorCatalogue } from '../src/index.ts'

const packages = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** The error codes that the sources of a package throw or send. */
function codesIn(name: string): string[] {
  const folder = new URL(`${name}/src/`, packages)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => /(?<!\.test)\.ts$/.test(file))
  const text = files
    .filter(file => file !== 'protocol/errors.ts')
    .map(file => readFileSync(new URL(file, folder), 'utf8'))
    .join('\n')
  return [...new Set(text.match(/(?<=')ERR_\w+(?=')/g))].filter(code => code !== 'ERR_INTERNAL')
}

describe('error codes', () => {
  it('are all thrown by one of the packages', () => {
    const thrown = new Set(['qlik-oauth', 'express-qlik-oauth'].flatMap(codesIn))
    expect(Object.keys(errorCatalogue).filter(code => !thrown.has(code))).toEqual([])
  })

  it('of this package stand in its README with the advice of the catalogue', () => {
    const listed = [...readme.matchAll(/^\| `(ERR_\w+)` +\| (.+?) +\|$/gm)].map(([, code, advice]) => [code, advice])
    const known = Object.entries(errorCatalogue).filter(([code]) => codesIn('qlik-oauth').includes(code))
    expect(listed).toEqual(known.map(([code, { advice }]) => [code, advice]))
  })
})
