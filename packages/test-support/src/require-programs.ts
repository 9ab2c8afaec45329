/**
 * Makes sure that redis-server, Chromium and the balancers are there before the tests start; `pnpm test` runs this file first.
 *
 * As root on Debian it installs what is missing. Elsewhere it prints one line that says what to install, and exits with
 * code 1. `REDIS_URL` and `CHROMIUM_PATH` take the place of an installation.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromiumPath, missingBalancers, redisIsInstalled, runs } from './programs.ts'

let missing = missingPackages()
let failure = ''
if (missing.length > 0 && mayInstall()) {
  process.stderr.write(`Installing what the tests need with apt-get: ${missing.join(', ')}\n`)
  failure = install(missing)
  missing = missingPackages()
}
if (missing.length > 0) {
  exit(
    `The tests need ${missing.join(' and ')}. Run: apt-get install ${missing.join(' ')} (macOS: brew install redis chromium nginx caddy haproxy), or set REDIS_URL and CHROMIUM_PATH.${failure}`,
  )
}
const chromium = chromiumPath() ?? ''
if (!runs(chromium)) exit(`Chromium does not start: ${chromium}. Set CHROMIUM_PATH to one that does.`)

function missingPackages(): string[] {
  const redis = redisIsInstalled() || process.env.REDIS_URL !== undefined ? [] : ['redis-server']
  const chromium = chromiumPath() === undefined ? ['chromium'] : []
  return [...redis, ...chromium, ...missingBalancers()]
}

function mayInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

/** @returns How apt-get failed, if it did. */
function install(packages: readonly string[]): string {
  const aptGet = (...args: string[]) =>
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
  aptGet('update')
  const { status, stderr, error } = aptGet('install', '--yes', '--no-install-recommends', ...packages)
  if (status === 0) return ''
  return ` apt-get failed: ${error?.message ?? /^E: .*$/m.exec(stderr)?.[0] ?? `exit code ${status}`}`
}

function exit(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
