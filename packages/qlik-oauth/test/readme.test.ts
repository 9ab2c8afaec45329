import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'
import { errorCatalogue, loopbackLogin, machineTokens, qlikClient } from '../src/index.ts'

const packages = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** The error codes in the sources of a package. */
function codesIn(name: string): string[] {
  const folder = new URL(`${name}/src/`, packages)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => /(?<!\.test)\.ts$/.test(file))
  const text = files
    .filter(file => file !== 'protocol/error-catalogue.ts')
    .map(file => readFileSync(new URL(file, folder), 'utf8'))
    .join('\n')
  return [...new Set(text.match(/(?<=')ERR_\w+(?=')/g))]
}

describe('error codes', () => {
  it('are all thrown by one of the packages', () => {
    const thrown = new Set(['qlik-oauth', 'express-qlik-oauth'].flatMap(codesIn))
    expect(Object.keys(errorCatalogue).filter(code => !thrown.has(code))).toEqual([])
  })

  it('of this package are in its README with the advice of the catalogue', () => {
    const listed = [...readme.matchAll(/^\| `(ERR_\w+)` +\| (.+?) +\|$/gm)].map(([, code, advice]) => [code, advice])
    const known = Object.entries(errorCatalogue).filter(([code]) => codesIn('qlik-oauth').includes(code))
    expect(listed).toEqual(known.map(([code, { advice }]) => [code, advice]))
  })
})

describe('the tables of options', () => {
  it.each<[string, string, (options: never) => unknown, string[]]>([
    ['qlikClient', '`qlikClient(options)`', qlikClient, []],
    ['loopbackLogin', '`loopbackLogin(options)`', loopbackLogin, []],
    // `now` is for tests.
    ['machineTokens', '`machineTokens`, `impersonatedTokens`', machineTokens, ['now']],
  ])('list every option of %s', async (_name, heading, call, unlisted) => {
    const table = readme.slice(readme.indexOf(`\n${heading}`)).split(/\n\n(?!\|)/, 1)[0] ?? ''
    const listed = [...table.matchAll(/^\| (`\w+`(?:, `\w+`)*) /gm)].flatMap(
      ([, names = '']) => names.match(/\w+/g) ?? [],
    )
    expect([...listed, ...unlisted].sort()).toEqual(await optionsOf(call))
  })
})

/** The options that a function names when it gets one that it does not know. */
async function optionsOf(call: (options: never) => unknown): Promise<string[]> {
  try {
    await call({ zzzzzzzz: 1 } as never)
    return []
  } catch (error) {
    return /Its options are (.+)\.$/.exec(String(error))?.[1]?.split(', ') ?? []
  }
}

describe('the code of the README', () => {
  const blocks = [...readme.matchAll(/^```ts\n(.+?)^```/gms)].map(([, code = '']) => code)

  it('begins with ten lines', () => expect(blocks[0]?.trim().split('\n').length).toBeLessThanOrEqual(10))

  it.each(blocks.map((code, index) => [index + 1, code] as const))(
    'block %d compiles under strict as it is',
    (_, code) => expect(typeErrors(code)).toEqual([]),
    60_000,
  )
})

/** Type-checks a module as if it lay in this package, with the strict options of the workspace. */
function typeErrors(code: string): string[] {
  const file = fileURLToPath(new URL('../readme-example.ts', import.meta.url))
  const config = fileURLToPath(new URL('../tsconfig.base.json', packages))
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(config, ts.sys.readFile).config, ts.sys, '.')
  const compilerOptions = { ...options, composite: false, noEmit: true, allowImportingTsExtensions: true }
  const host = ts.createCompilerHost(compilerOptions)
  const { getSourceFile, fileExists, readFile } = host
  host.fileExists = name => name === file || fileExists(name)
  host.readFile = name => (name === file ? code : readFile(name))
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, code, ts.ScriptTarget.ES2023) : getSourceFile(name, ...rest)
  const program = ts.createProgram([file], compilerOptions, host)
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(file))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
