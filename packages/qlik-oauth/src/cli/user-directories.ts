import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Terminal } from './terminal.ts'

/** Where the user's logins are kept, by the XDG Base Directory Specification. */
export function configDirectory({ env }: Pick<Terminal, 'env'>): string {
  return directory(env.XDG_CONFIG_HOME, '.config')
}

/** Where tokens are kept that can be asked for again. */
export function cacheDirectory({ env }: Pick<Terminal, 'env'>): string {
  return directory(env.XDG_CACHE_HOME, '.cache')
}

function directory(named: string | undefined, fallback: string): string {
  // The specification has relative paths ignored.
  return join(named !== undefined && isAbsolute(named) ? named : join(homedir(), fallback), 'qlik-oauth')
}
