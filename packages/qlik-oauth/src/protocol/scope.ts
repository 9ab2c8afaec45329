import { QlikOAuthError } from './errors.ts'
import { quoted } from './tenant-origin.ts'

/**
 * Checks the syntax of a scope (RFC 6749, section 3.3) and splits it. Which scopes exist is the tenant's business; Qlik
 * adds new ones.
 *
 * @throws ERR_CONFIGURATION
 */
export function scopeList(scope: unknown): readonly string[] {
  const names = typeof scope === 'string' ? scope.split(' ').filter(name => name !== '') : []
  const wrong = names.find(name => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(name) || name.includes(','))
  if (names.length === 0 || wrong !== undefined) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `scope must be names separated by spaces, such as "user_default offline_access", got ${quoted(scope)}.${wrong?.includes(',') ? ' Separate them by spaces, not commas.' : ''}`,
    )
  }
  return [...new Set(names)]
}

/** The scopes of `wanted` that `granted` lacks. */
export function missingScopes(granted: string | undefined, wanted: readonly string[]): readonly string[] {
  const has = new Set((granted ?? '').split(' '))
  return wanted.filter(name => !has.has(name))
}
