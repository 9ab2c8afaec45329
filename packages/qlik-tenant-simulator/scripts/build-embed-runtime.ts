/**
 * Bundles the embed runtime into `dist/embed-runtime`: `main.js`, its modules (with a hash in their names), the licences
 * of the bundled packages, and a manifest. Does nothing when sources and packages are unchanged.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const sourceFolder = join(packageFolder, 'embed-runtime')
const outputFolder = join(packageFolder, 'dist', 'embed-runtime')
const manifestFile = join(outputFolder, 'manifest.json')
const licenceFile = 'third-party-licences.txt'

interface Manifest {
  readonly inputs: string
  readonly files: readonly string[]
}

async function buildEmbedRuntime(): Promise<void> {
  const inputs = await inputHash()
  const previous = await readManifest()
  if (previous?.inputs === inputs && previous.files.every(file => existsSync(join(outputFolder, file)))) {
    process.stdout.write('embed runtime: up to date\n')
    return
  }

  await mkdir(outputFolder, { recursive: true })
  const modules = await build({
    ...common,
    entryPoints: [join(sourceFolder, 'runtime.ts')],
    format: 'esm',
    splitting: true,
    outdir: outputFolder,
    entryNames: '[name]-[hash]',
    chunkNames: 'chunk-[hash]',
    plugins: [await qlikApiModules()],
  })
  const runtimeModule = Object.entries(modules.metafile.outputs).find(([, output]) =>
    output.entryPoint?.endsWith('runtime.ts'),
  )?.[0]
  if (!runtimeModule) throw new Error('The bundle has no runtime module')

  const main = await build({
    ...common,
    entryPoints: [join(sourceFolder, 'main.ts')],
    format: 'iife',
    outfile: join(outputFolder, 'main.js'),
    define: { ...common.define, runtimeModule: JSON.stringify(basename(runtimeModule)) },
  })
  await writeFile(join(outputFolder, licenceFile), await licences(modules.metafile))

  const files = [...Object.keys(modules.metafile.outputs), ...Object.keys(main.metafile.outputs)].map(file =>
    basename(file),
  )
  await removeStale(previous, files)
  const manifest: Manifest = { inputs, files: [...files, licenceFile].sort() }
  // Atomic: a server or another build never reads a partial manifest.
  const draft = `${manifestFile}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(manifest, undefined, 2)}\n`)
  await rename(draft, manifestFile)
  process.stdout.write(`embed runtime: ${manifest.files.length} files in ${relative(process.cwd(), outputFolder)}\n`)
}

const common = {
  bundle: true,
  minify: true,
  target: 'es2022',
  platform: 'browser',
  // The licences are in a file of their own.
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  absWorkingDir: packageFolder,
  define: { 'process.env.NODE_ENV': '"production"' },
} as const

/** Hash of everything the bundle depends on: the sources, this script, and the exact versions of all packages. */
async function inputHash(): Promise<string> {
  const sources = (await readdir(sourceFolder)).sort().map(name => join(sourceFolder, name))
  const files = [...sources, join(packageFolder, 'package.json'), fileURLToPath(import.meta.url)]
  const hash = createHash('sha256')
  for (const file of files) hash.update(basename(file)).update(await readFile(file))
  return hash.digest('hex')
}

async function readManifest(): Promise<Manifest | undefined> {
  if (!existsSync(manifestFile)) return undefined
  return JSON.parse(await readFile(manifestFile, 'utf8')) as Manifest
}

/** Removes files of the previous build that are not in this build. */
async function removeStale(previous: Manifest | undefined, files: readonly string[]): Promise<void> {
  const stale = previous?.files.filter(file => !files.includes(file) && file !== licenceFile) ?? []
  for (const file of stale) await rm(join(outputFolder, file), { force: true })
}

/**
 * Resolves `qlik-api:auth`, `qlik-api:qix` and `qlik-api:invoke-fetch`. The package contains these modules in files with a
 * hash in their names, which its index module lists.
 */
async function qlikApiModules(): Promise<Plugin> {
  const chunks = join(packageFolder, 'node_modules', '@qlik', 'api', 'chunks')
  const index = (await readdir(chunks)).find(name => name.startsWith('public-runtime-modules-'))
  const text = index ? await readFile(join(chunks, index), 'utf8') : ''
  const files = new Map(
    [...text.matchAll(/import\("\.\/((auth|qix|invoke-fetch)-[^"]+\.js)"\)/g)].map(match => [match[2], match[1]]),
  )
  return {
    name: 'qlik-api-modules',
    setup(bundle) {
      bundle.onResolve({ filter: /^qlik-api:/ }, ({ path }) => {
        const file = files.get(path.slice('qlik-api:'.length))
        return file ? { path: join(chunks, file) } : { errors: [{ text: `@qlik/api has no module for ${path}` }] }
      })
      // The browser path does not use the Node WebSocket library.
      bundle.onResolve({ filter: /^ws$/ }, () => ({ path: 'ws', namespace: 'empty' }))
      bundle.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default undefined' }))
    },
  }
}

/** Name, version and licence text of every bundled package. */
async function licences(metafile: Metafile): Promise<string> {
  const folders = new Set(Object.keys(metafile.inputs).flatMap(input => packageFolderOf(input) ?? []))
  const texts = await Promise.all([...folders].sort().map(licenceOf))
  return `The embed runtime of qlik-tenant-simulator contains these packages. Some of them contain other packages; see their notices.\n\n${texts.join('\n')}`
}

function packageFolderOf(input: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]
}

async function licenceOf(folder: string): Promise<string> {
  const path = join(packageFolder, folder)
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as Record<
    string,
    string
  >
  const file = (await readdir(path)).find(entry => /^licen[cs]e/i.test(entry))
  const text = file ? await readFile(join(path, file), 'utf8') : `(no licence file; package.json says ${license})\n`
  return `${'='.repeat(80)}\n${name} ${version} (${license})\n\n${text}`
}

await buildEmbedRuntime()
