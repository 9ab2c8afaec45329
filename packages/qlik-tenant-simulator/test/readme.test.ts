import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code)

describe('the examples of the README', () => {
  it('compile under the options of this repository', () => {
    expect(examples).toHaveLength(2)
    expect(problemsOf(examples)).toEqual([])
  }, 60_000)

  it('print the output in their comments', () => {
    const tsx = import.meta.resolve('tsx')
    const flags = ['--conditions=source', '--import', tsx, '--input-type=module', '--eval', examples[0] ?? '']
    const { stdout, stderr } = spawnSync(process.execPath, flags, { cwd: packageFolder, encoding: 'utf8' })
    expect({ stdout, stderr }).toEqual({ stdout: '503 200\n2\n', stderr: '' })
  })
})

/** Type-checks texts as if they were files of this package. */
function problemsOf(texts: readonly string[]): string[] {
  const { config } = ts.readConfigFile(`${packageFolder}../../tsconfig.base.json`, ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, composite: false, noEmit: true, allowImportingTsExtensions: true },
    packageFolder,
  )
  const files = new Map(texts.map((text, index) => [`${packageFolder}test/example-${index}.ts`, text]))
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = name => files.has(name) || fileExists(name)
  host.readFile = name => files.get(name) ?? readFile(name)
  host.getSourceFile = (name, ...rest) => {
    const text = files.get(name)
    return text === undefined
      ? getSourceFile(name, ...rest)
      : ts.createSourceFile(name, text, {
          languageVersion: ts.ScriptTarget.ES2023,
          impliedNodeFormat: ts.ModuleKind.ESNext,
        })
  }
  const program = ts.createProgram([...files.keys()], options, host)
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
