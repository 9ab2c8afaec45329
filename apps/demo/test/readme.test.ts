import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'
import { variableNames } from '../src/environment.ts'

const root = new URL('../../../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')

describe('the README', () => {
  it('starts with code that compiles in strict mode as it stands', () => {
    const [, code = ''] = /```ts\n(.*?)```/s.exec(readme) ?? []
    expect(code).toContain('qlikAuth(')
    expect(problemsIn(code)).toEqual([])
  }, 60_000)

  it('documents every variable of the demo, and no other', () => {
    const cells = readme.split('\n').flatMap(line => /^\| (`[A-Z].*?) \|/.exec(line)?.[1] ?? [])
    const documented = cells.flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name))
    // NODE_ENV is explained beside the variables that it requires.
    expect(documented.sort()).toEqual(variableNames.filter(name => name !== 'NODE_ENV').sort())
  })
})

describe('the documents at the root', () => {
  it.each(['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'])('name files that exist: %s', name => {
    const text = readFileSync(new URL(name, root), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)].map(([, path = '']) => path)
    const paths = [...text.matchAll(/`((?:packages|apps)\/[\w./-]+)`/g)].map(([, path = '']) => path)
    expect([...links, ...paths].filter(path => !existsSync(new URL(path, root)))).toEqual([])
  })
})

function problemsIn(code: string): readonly string[] {
  const file = fileURLToPath(new URL('../src/readme.ts', import.meta.url))
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    customConditions: ['source'],
    allowImportingTsExtensions: true,
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile } = host
  host.fileExists = name => name === file || fileExists(name)
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, code, ts.ScriptTarget.ES2023) : getSourceFile(name, ...rest)
  const program = ts.createProgram([file], options, host)
  return ts
    .getPreEmitDiagnostics(program, program.getSourceFile(file))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
