/**
 * Bundles the embed runtime into `dist/embed-runtime`: `main.js`, the modules it loads (their names carry a hash), the
 * licences of what is in them, and a manifest. A second run with the same sources and packages does nothing.
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
  // In one step, so that a server or another build never reads half of it.
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
  // Licences stand in a file of their own.
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  absWorkingDir: packageFolder,
  define: { 'process.env.NODE_ENV': '"production"' },
} as const

/** Sources, this script, and the exact versions of all packages: the bundle depends on nothing else. */
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

/** Removes what the previous build left behind and this one no longer has. */
async function removeStale(previous: Manifest | undefined, files: readonly string[]): Promise<void> {
  const stale = previous?.files.filter(file => !files.includes(file) && file !== licenceFile) ?? []
  for (const file of stale) await rm(join(outputFolder, file), { force: true })
}

/**
 * Finds the modules behind `qlik-api:auth`, `qlik-api:qix` and `qlik-api:invoke-fetch`. The package publishes them for
 * Node only, in files with a hash in their name; its own index of them says which.
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
      // Node's socket library, which its browser path never reaches.
      bundle.onResolve({ filter: /^ws$/ }, () => ({ path: 'ws', namespace: 'empty' }))
      bundle.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default undefined' }))
    },
  }
}

/** Name, version and licence text of every package that has code in the bundle. */
async function licences(metafile: Metafile): Promise<string> {
  const folders = new Set(Object.keys(metafile.inputs).flatMap(input => packageFolderOf(input) ?? []))
  const texts = await Promise.all([...folders].sort().map(licenceOf))
  return `The embed runtime of the simulated tenant contains these packages. Some of them contain further ones; see their own notices.\n\n${texts.join('\n')}`
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
