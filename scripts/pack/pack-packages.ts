import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addGuides } from './published-guides.ts'
import { type Manifest, publishedManifest } from './published-manifest.ts'

/** The published packages, each after those that it depends on. */
export const packageNames = ['qlik-oauth', 'express-qlik-oauth', 'qlik-tenant-simulator'] as const

export interface PackedPackage {
  readonly manifest: Manifest
  /** The tarball. */
  readonly file: string
}

export interface Packed {
  readonly packages: readonly PackedPackage[]
  /** The remote that the manifests name as repository. */
  readonly origin: string | undefined
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Builds the packages from scratch and writes a tarball of each, as it is published, to a folder. */
export function packPackages(folder: string): Packed {
  for (const name of packageNames) removeBuild(join(root, 'packages', name))
  run('npx', ['tsc', '--build', ...packageNames.map(name => `packages/${name}`), 'packages/qlik-oauth/contract'])
  run(process.execPath, ['--import', 'tsx', 'scripts/build-embed-runtime.ts'], 'packages/qlik-tenant-simulator')

  const origin = gitOrigin()
  const target = resolve(folder)
  mkdirSync(target, { recursive: true })
  return { packages: packageNames.map(name => pack(name, target, origin)), origin }
}

/** The compiler leaves the outputs of deleted sources in place. The embed runtime removes its own. */
function removeBuild(packageFolder: string): void {
  const dist = join(packageFolder, 'dist')
  for (const entry of existsSync(dist) ? readdirSync(dist) : [])
    if (entry !== 'embed-runtime') rmSync(join(dist, entry), { recursive: true })
  for (const folder of [packageFolder, join(packageFolder, 'contract')])
    rmSync(join(folder, 'tsconfig.tsbuildinfo'), { force: true })
}

function pack(name: string, folder: string, origin: string | undefined): PackedPackage {
  const draft = mkdtempSync(join(tmpdir(), 'pack-'))
  try {
    // pnpm replaces "workspace:*" and applies publishConfig.
    run('npx', ['--yes', 'pnpm@12.21.0', 'pack', '--pack-destination', draft], `packages/${name}`)
    const [packed = ''] = readdirSync(draft)
    run('tar', ['-xzf', join(draft, packed), '-C', draft])
    const path = join(draft, 'package', 'package.json')
    const manifest = publishedManifest(JSON.parse(readFileSync(path, 'utf8')), `packages/${name}`, origin)
    writeFileSync(path, `${JSON.stringify(manifest, undefined, 2)}\n`)
    addGuides(join(draft, 'package'), name, join(root, 'docs'))
    const file = join(folder, packed)
    run('tar', ['-czf', file, '-C', draft, 'package'])
    return { manifest, file }
  } finally {
    rmSync(draft, { recursive: true })
  }
}

function gitOrigin(): string | undefined {
  try {
    return execFileSync('git', ['remote', 'get-url', 'origin'], { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return undefined
  }
}

function run(command: string, parameters: readonly string[], folder = '.'): void {
  execFileSync(command, parameters, { cwd: join(root, folder), stdio: ['ignore', 'pipe', 'inherit'] })
}
