import { isObject } from '../protocol/json.ts'
import type { QlikUser } from '../protocol/qlik-user.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import type { AuthorizationTransaction, LoginRecord } from './login-store.ts'

/**
 * Tells whether a value that comes back from a store is what was put there; an older or newer release may have written
 * it.
 */
export type Shape<Value> = (value: unknown) => value is Value

export const isTokenSet = shape<TokenSet>({
  accessToken: isText,
  refreshToken: optional(isText),
  scope: optional(isText),
  issuedAt: isNumber,
  expiresAt: isNumber,
})

const isQlikUser = shape<QlikUser>({
  id: isText,
  name: optional(isText),
  email: optional(isText),
  subject: optional(isText),
  tenantId: optional(isText),
})

export const isLoginRecord = shape<LoginRecord>({
  tenant: isText,
  clientId: isText,
  user: isQlikUser,
  tokens: isTokenSet,
  createdAt: isNumber,
  refreshedAt: isNumber,
  endsAt: isNumber,
})

export const isLoginAttempt = shape<AuthorizationTransaction>({
  tenant: isText,
  clientId: isText,
  codeVerifier: isText,
  redirectUri: isText,
  returnTo: isText,
  browser: isText,
})

function shape<Value>(fields: { readonly [Name in keyof Required<Value>]: (value: unknown) => boolean }): Shape<Value> {
  const checks = Object.entries<(value: unknown) => boolean>(fields)
  return (value): value is Value => isObject(value) && checks.every(([name, check]) => check(value[name]))
}

function optional(check: (value: unknown) => boolean) {
  return (value: unknown) => value === undefined || check(value)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}
