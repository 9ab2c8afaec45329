import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { compilerErrors } from '../packages/express-qlik-oauth/test/support/type-reader.ts'
import { errorCatalogue } from '../packages/qlik-oauth/src/index.ts'
import { anchors, type Block, blocks, documents, links, read } from './markdown.ts'

const root = new URL('../', import.meta.url)
const guides = documents.filter(path => path.startsWith('docs/'))
const found = guides.flatMap(blocks)
const of = (language: string, documentsOf = found) => documentsOf.filter(block => block.language === language)
const titled = (block: Block) => [`${block.document}: ${block.text.split('\n', 1)[0]}`, block] as const

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'docs-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the guides', () => {
  it('contain no block in a language that is not tested here', () =>
    expect([...new Set(found.map(({ language }) => language))].sort()).toEqual(['html', 'js', 'nginx', 'sh', 'ts']))

  describe('TypeScript', () => {
    const typescript = of('ts')
    /** Blocks that begin with a comment such as `// qlik.ts` are modules that other blocks import. */
    const modules = typescript.flatMap(({ text }) => {
      const [, name] = /^\/\/ ([\w.-]+\.ts)\n/.exec(text) ?? []
      return name === undefined ? [] : [[name, text] as const]
    })
    const misspelt = "import { qlikAuth } from 'express-qlik-oauth'\nqlikAuth({ publicURL: '' })"
    let errors: string[][]
    beforeAll(() => {
      errors = compilerErrors([...typescript.map(({ text }) => text), misspelt], modules)
    })

    it('does not pass the compiler when it is wrong', () => expect(errors.at(-1)).not.toEqual([]))
    it.each(typescript.map((block, index) => [titled(block)[0], index] as const))('compiles: %s', (_title, index) =>
      expect(errors[index]).toEqual([]),
    )
  })

  it('contain a test that passes', () => {
    const texts = of('ts', blocks('docs/testing.md')).map(({ text }) => text)
    for (const name of ['app.ts', 'app.test.ts'])
      writeFileSync(join(folder, name), texts.find(text => text.startsWith(`// ${name}\n`)) ?? '')
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    installed(['express-qlik-oauth', 'express', 'express-session', 'qlik-tenant-simulator', 'supertest'])
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env
    const run = spawnSync(
      process.execPath,
      ['--conditions=source', '--import', import.meta.resolve('tsx'), '--test', '--test-reporter=tap', 'app.test.ts'],
      { cwd: folder, encoding: 'utf8', env },
    )
    expect(run.stdout).toMatch(/^# pass 5$/m)
    expect(run.stdout).toMatch(/^# fail 0$/m)
  })

  it.each(of('js').map(titled))('load: %s', async (_title, { text }) => {
    const [, name = ''] = /^\/\/ ([\w.-]+)\n/.exec(text) ?? []
    writeFileSync(join(folder, name), text)
    const load = `import config from ${JSON.stringify(join(folder, name))}; process.stdout.write(JSON.stringify(config))`
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', load], { encoding: 'utf8' })
    expect(JSON.parse(run.stdout)).toHaveProperty('transform')
  })

  it.each(of('nginx').map(titled))('are accepted by nginx: %s', (_title, { text }) => {
    const path = join(folder, 'nginx.conf')
    writeFileSync(path, `pid ${folder}/pid; events {} http { upstream app { server 127.0.0.1:1; } server { ${text} } }`)
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
    const { status, stderr } = spawnSync('nginx', ['-t', '-p', folder, '-c', path], { env, encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, expect.stringContaining('test is successful')])
  })

  it.each(of('html').map(titled))(
    'show elements with absolute hosts and scripts that parse: %s',
    (_title, { text }) => {
      for (const [, host = ''] of text.matchAll(/data-host="([^"]*)"/g)) expect(host).toMatch(/^https:\/\//)
      for (const [, script = ''] of text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g))
        expect(() => new Function(`return async () => {${script}}`)).not.toThrow()
      expect(text).toMatch(/<(qlik-embed|script|iframe)/)
    },
  )

  const commands = guides.flatMap(document =>
    of('sh', blocks(document)).flatMap(({ text }) =>
      text
        .replaceAll('\\\n', '')
        .split('\n')
        .filter(line => line !== '')
        .map(line => [document, line] as const),
    ),
  )

  it.each(commands.filter(([, line]) => line.startsWith('npx qlik-oauth ')))(
    'name commands and options that exist, %s: %s',
    (_document, line) => {
      const words = line.split(/\s+/).slice(2)
      const firstOption = words.findIndex(word => word.startsWith('-') || /^[A-Z]/.test(word))
      const command = firstOption === -1 ? words : words.slice(0, firstOption)
      const cli = fileURLToPath(new URL('packages/qlik-oauth/src/cli/main.ts', root))
      const tsx = ['--conditions=source', '--import', import.meta.resolve('tsx'), cli]
      const helpOf = (...args: string[]) =>
        spawnSync(process.execPath, [...tsx, ...args, '--help'], { encoding: 'utf8' }).stdout
      const help = helpOf(...command)
      expect(help).toContain(`Usage: qlik-oauth ${command.join(' ')}`)
      const options = words.filter(word => word.startsWith('--'))
      for (const option of options) expect(help + helpOf()).toContain(`${option} `)
    },
  )

  it.each(commands.filter(([, line]) => line.startsWith('npm install ')))(
    'install packages that are used here, %s: %s',
    (_document, line) => {
      const known = readdirSync(new URL('packages/', root)).flatMap(name => {
        const { dependencies, devDependencies, peerDependencies } = JSON.parse(read(`packages/${name}/package.json`))
        return [name, ...Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })]
      })
      expect(known).toEqual(expect.arrayContaining(line.split(' ').filter(word => !/^(npm|install|-)/.test(word))))
    },
  )

  it('name files of this repository that exist, in all other commands', () => {
    const paths = commands
      .filter(([, line]) => !/^(npm|npx) /.test(line))
      .flatMap(([, line]) => line.match(/(?<=^|\s)(apps|packages|docs|compose\.)[\w./-]*/g) ?? [])
    expect(paths.filter(path => !existsSync(new URL(path, root)))).toEqual([])
    expect(paths.length).toBeGreaterThan(0)
  })

  it('have an entry in the index', () =>
    expect(links('docs/README.md')).toEqual(
      expect.arrayContaining(guides.map(path => posix.relative('docs', path)).filter(path => path !== 'README.md')),
    ))

  it('have an entry for every error code, and for no other', () => {
    const entries = [...read('docs/troubleshoot.md').matchAll(/^### `(ERR_\w+)`$/gm)].map(([, code]) => code)
    expect(entries).toEqual(Object.keys(errorCatalogue))
  })

  it('give each error code the status of the catalogue', () => {
    const [, codes = ''] = read('docs/troubleshoot.md').split('\n## Error codes\n')
    const statuses = [...codes.matchAll(/^### `(\w+)`\n\nStatus (\d+)/gm)].map(([, code, status]) => [
      code,
      Number(status),
    ])
    expect(statuses).toEqual(Object.entries(errorCatalogue).map(([code, { status }]) => [code, status]))
  })

  /** Makes packages of this workspace available to files in the folder. */
  function installed(names: readonly string[]): void {
    mkdirSync(join(folder, 'node_modules'))
    for (const name of names) {
      const own = new URL(`packages/${name}`, root)
      const target = existsSync(own) ? own : new URL(`packages/express-qlik-oauth/node_modules/${name}`, root)
      symlinkSync(fileURLToPath(target), join(folder, 'node_modules', name))
    }
  }
})

describe('links', () => {
  it.each(documents)('of %s lead somewhere', document => {
    const dead = links(document).filter(link => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? document : posix.join(posix.dirname(document), path)
      if (!existsSync(new URL(target, root))) return true
      return anchor !== undefined && target.endsWith('.md') && !anchors(target).has(anchor)
    })
    expect(dead).toEqual([])
  })
})
