import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { errorCatalogue } from 'qlik-oauth'
import { compilerErrors, type ReadProperty, typeReader } from './support/type-reader.ts'

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = text('../README.md')
const index = 'express-qlik-oauth/src/index.ts'
const types = typeReader([index])

/** The cells of the first table below a heading, without its header row. */
function table(heading: string): string[][] {
  const [, section = ''] = readme.split(`\n## ${heading}\n`)
  const rows = section.split('\n## ')[0]?.match(/^\|.*\|$/gm) ?? []
  return rows.slice(2).map(row =>
    row
      .slice(1, -1)
      .split('|')
      .map(cell => cell.trim()),
  )
}

const plain = (cell: string | undefined) => (cell ?? '').replaceAll('`', '')
const row = ({ name, optional, default: defaultValue }: ReadProperty) => [
  name,
  plain(defaultValue ?? (optional ? 'none' : 'required')),
]
const sorted = (rows: string[][]) => rows.map(cells => cells.join(' = ')).sort()

describe('README.md', () => {
  const [, opening = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []

  it('opens with lines that compile under strict as they stand', () => {
    const misspelt = opening.replace('clientId, clientSecret, publicUrl', 'clientID: clientId, clientSecret, publicUrl')
    const [errors, errorsOfMisspelt] = compilerErrors([opening, misspelt])
    expect(errors).toEqual([])
    expect(errorsOfMisspelt).not.toEqual([])
  })

  it('opens with the ten lines of examples/minimal.ts', () => {
    const lines = opening.slice(opening.indexOf('const store = '))
    expect(text('../examples/minimal.ts')).toContain(lines)
    expect(lines.split('\n').filter(line => line !== '').length).toBeLessThanOrEqual(10)
  })

  it('installs every package that the opening imports, at the versions of the peer dependencies', () => {
    const [, installed = ''] = /```sh\nnpm install ([^\n]*)\n```/.exec(readme) ?? []
    const imported = [...opening.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
    expect(installed.split(' ')).toEqual(expect.arrayContaining(imported))
    const { name, peerDependencies } = JSON.parse(text('../package.json'))
    expect(installed.split(' ')).toEqual(expect.arrayContaining([name, ...Object.keys(peerDependencies)]))
  })

  it.each([
    ['qlikAuth', 'QlikAuthOptions'],
    ['logout', 'LogoutOptions'],
    ['proxy', 'ProxyOptions'],
    ['sockets', 'SocketOptions'],
    ['qlikProxy', 'QlikProxyOptions'],
    ['exposeAccessTokens', 'ExposeAccessTokensOptions'],
    ['singlePageClient', 'SinglePageClientOptions'],
  ])('lists the options of %s with their defaults', (name, type) => {
    const declared = types.properties(index, type)
    const listed = table(`Options of \`${name}\``).map(([option, defaultValue]) => [plain(option), plain(defaultValue)])
    expect(sorted(listed)).toEqual(sorted(declared.map(row)))
  })

  it('lists every event', () => {
    const listed = table('Events').map(([event]) => plain(event))
    expect(listed.sort()).toEqual(
      types
        .properties(index, 'QlikEvents')
        .map(({ name }) => name.split('.')[0] ?? '')
        .filter((name, at, all) => all.indexOf(name) === at)
        .sort(),
    )
  })

  it('lists no error that is never thrown', () => {
    const sources = ['../src/', '../../qlik-oauth/src/'].flatMap(folder =>
      readdirSync(new URL(folder, import.meta.url), { recursive: true, encoding: 'utf8' })
        .filter(
          name => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('protocol/error-catalogue.ts'),
        )
        .map(name => text(folder + name)),
    )
    const used = (code: string) => sources.some(source => source.includes(`'${code}'`))
    expect(Object.keys(errorCatalogue).filter(code => !used(code))).toEqual([])
  })

  it('says what to do about every error, with its status', () => {
    const listed = table('Errors').map(([code, ...rest]) => [plain(code), ...rest])
    const known = Object.entries(errorCatalogue).map(([code, { status, advice }]) => [code, String(status), advice])
    expect(sorted(listed)).toEqual(sorted(known))
  })

  it('lists every member of req.qlik', () => {
    const listed = table('`req.qlik`').map(([member]) => /\w+/.exec(member ?? '')?.[0])
    expect(listed.sort()).toEqual(
      types
        .properties(index, 'RequestLogin')
        .map(({ name }) => name)
        .sort(),
    )
  })

  it('links to files that exist', () => {
    for (const [, path = ''] of readme.matchAll(/\]\(((?!https?:|#)[^)#]+)/g))
      expect(() => text(`../${path}`)).not.toThrow()
  })
})
