import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** A property of an options type: what its declaration and its `@default` tag say. */
export interface ReadProperty {
  readonly name: string
  readonly optional: boolean
  readonly default: string | undefined
}

export interface TypeReader {
  /**
   * Everything that a file exports, types included, in alphabetical order. What it re-exports as a whole is one name,
   * `* from 'qlik-oauth'`.
   */
  exportedNames(file: string): string[]
  /** The type of what a file exports by name: functions with their parameters, types with their members. */
  signatures(file: string): Record<string, string>
  /**
   * The properties of an exported type, inherited ones too. Object literals within are spelled out:
   * `timeouts.connectMs`.
   */
  properties(file: string, type: string): ReadProperty[]
}

const root = new URL('../../../', import.meta.url)

const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  customConditions: ['source'],
  types: ['node'],
}

/**
 * Compiles texts as if each were a module of this folder.
 *
 * @param modules Further modules of this folder that the texts import, by file name.
 * @returns The messages of the compiler for each.
 */
export function compilerErrors(
  texts: readonly string[],
  modules: Iterable<readonly [string, string]> = [],
): string[][] {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const paths = texts.map((_text, index) => path(`text-${index}.ts`))
  const files = new Map([
    ...texts.map((text, index) => [paths[index] ?? '', text] as const),
    ...[...modules].map(([name, text]) => [path(name), text] as const),
  ])
  const host = ts.createCompilerHost(compilerOptions)
  const { fileExists, readFile } = host
  host.fileExists = path => files.has(path) || fileExists(path)
  host.readFile = path => files.get(path) ?? readFile(path)
  const program = ts.createProgram(paths, compilerOptions, host)
  return paths.map(path =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
  )
}

/** Reads types from the sources. @param files Paths below `packages/`. */
export function typeReader(files: readonly string[]): TypeReader {
  const path = (file: string) => fileURLToPath(new URL(file, root))
  const program = ts.createProgram(files.map(path), compilerOptions)
  const checker = program.getTypeChecker()

  function moduleOf(file: string): ts.Symbol {
    const source = program.getSourceFile(path(file))
    const module = source && checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${file} exports nothing`)
    return module
  }

  const exported = (file: string) => checker.getExportsOfModule(moduleOf(file))

  const exportedByName = (file: string) => {
    const names = new Set(moduleOf(file).exports?.keys())
    return exported(file).filter(({ escapedName }) => names.has(escapedName))
  }

  function reexported(file: string): string[] {
    const statements: readonly ts.Statement[] = program.getSourceFile(path(file))?.statements ?? []
    return statements
      .filter(ts.isExportDeclaration)
      .filter(({ exportClause }) => exportClause === undefined)
      .map(({ moduleSpecifier }) => `* from ${moduleSpecifier?.getText()}`)
  }

  const print = (type: ts.Type, flags = ts.TypeFormatFlags.None) =>
    checker.typeToString(type, undefined, flags | ts.TypeFormatFlags.NoTruncation).replaceAll(fileURLToPath(root), '')

  const isOwn = ({ declarations = [] }: ts.Symbol) =>
    !declarations.some(declaration => declaration.getSourceFile().fileName.includes('/node_modules/'))

  function signature(exportedSymbol: ts.Symbol): string {
    const isAlias = (exportedSymbol.flags & ts.SymbolFlags.Alias) !== 0
    const symbol = isAlias ? checker.getAliasedSymbol(exportedSymbol) : exportedSymbol
    const isType = (symbol.flags & (ts.SymbolFlags.Type | ts.SymbolFlags.TypeAlias)) !== 0
    if (!isType) return print(checker.getTypeOfSymbol(symbol))
    const type = checker.getDeclaredTypeOfSymbol(symbol)
    const text = print(type, ts.TypeFormatFlags.InTypeAlias)
    const isObject = (type.flags & ts.TypeFlags.Object) !== 0
    if (!isObject && !text.includes('&')) return text
    const calls = type.getCallSignatures().map(call => checker.signatureToString(call))
    // Members of Node's own types would name symbols by numbers that change.
    const members = checker
      .getPropertiesOfType(type)
      .filter(isOwn)
      .map(property => {
        const optional = (property.flags & ts.SymbolFlags.Optional) !== 0 ? '?' : ''
        return `${property.name}${optional}: ${print(checker.getTypeOfSymbol(property))}`
      })
    return `${isObject ? '' : text} { ${[...calls, ...members].join('; ')} }`.trim()
  }

  function propertiesOf(type: ts.Type, prefix = ''): ReadProperty[] {
    return checker.getPropertiesOfType(type).flatMap(property => {
      const optional = (property.flags & ts.SymbolFlags.Optional) !== 0
      const own = checker.getNonNullableType(checker.getTypeOfSymbol(property))
      if (own.symbol?.declarations?.some(ts.isTypeLiteralNode)) return propertiesOf(own, `${prefix}${property.name}.`)
      const tag = property.getJsDocTags(checker).find(({ name }) => name === 'default')
      return [{ name: prefix + property.name, optional, default: tag && ts.displayPartsToString(tag.text) }]
    })
  }

  return {
    exportedNames: file => [...exportedByName(file).map(({ name }) => name), ...reexported(file)].sort(),
    signatures: file =>
      Object.fromEntries(
        exportedByName(file)
          .map(symbol => [symbol.name, signature(symbol)] as const)
          .sort(([one], [other]) => (one < other ? -1 : 1)),
      ),
    properties(file, name) {
      const symbol = exported(file).find(one => one.name === name)
      if (symbol === undefined) throw new Error(`${file} does not export ${name}`)
      return propertiesOf(checker.getDeclaredTypeOfSymbol(symbol))
    },
  }
}
