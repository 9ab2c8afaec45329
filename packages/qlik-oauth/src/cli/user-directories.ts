import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import envPaths from 'env-paths'
import type { Terminal } from './terminal.ts'

/** The directory of the saved logins: below $XDG_CONFIG_HOME where it is set, else at the usual place of the system. */
export function configDirectory({ env }: Pick<Terminal, 'env'>): string {
  return directory(env.XDG_CONFIG_HOME, system.config, '.config')
}

/** The directory of tokens that can be requested again: below $XDG_CACHE_HOME, else at the system's usual place. */
export function cacheDirectory({ env }: Pick<Terminal, 'env'>): string {
  return directory(env.XDG_CACHE_HOME, system.cache, '.cache')
}

const name = 'qlik-oauth'
const system = envPaths(name, { suffix: '' })

function directory(xdg: string | undefined, systemPath: string, fallback: string): string {
  // The XDG Base Directory Specification requires relative paths to be ignored; env-paths does not ignore them.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, name)
  return isAbsolute(systemPath) ? systemPath : join(homedir(), fallback, name)
}
