import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'
import { variableNames } from '../src/environment.ts'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')

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
