import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether `redis-server` is on the PATH. */
export function redisIsInstalled(): boolean {
  return runs('redis-server')
}

/** The balancers of docs/balancers that are not on the PATH, by the names of their Debian packages. */
export function missingBalancers(): string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return ['nginx', 'caddy', 'haproxy'].filter(name => !folders.some(folder => existsSync(join(folder, name))))
}

/** The Chromium of this machine: that of `CHROMIUM_PATH` if it is set. */
export function chromiumPath(): string | undefined {
  const { CHROMIUM_PATH } = process.env
  if (CHROMIUM_PATH !== undefined) return CHROMIUM_PATH
  return ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(path => existsSync(path))
}

/** Whether the program can be started and knows its version. */
export function runs(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
