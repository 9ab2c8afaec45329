import { isObject } from '../protocol/json.ts'
import type { QlikUser } from '../protocol/qlik-user.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import type { AuthorizationTransaction, LoginRecord } from './login-store.ts'

/** Checks the fields of a value that was read from a store; another release may have written it. */
export type Shape<Value> = (value: unknown) => value is Value

export const isTokenSet = shape<TokenSet>({
  accessToken: isString,
  refreshToken: optional(isString),
  scope: optional(isString),
  issuedAt: isNumber,
  expiresAt: isNumber,
})

const isQlikUser = shape<QlikUser>({
  id: isString,
  name: optional(isString),
  email: optional(isString),
  subject: optional(isString),
  tenantId: optional(isString),
})

export const isLoginRecord = shape<LoginRecord>({
  tenant: isString,
  clientId: isString,
  user: isQlikUser,
  tokens: isTokenSet,
  address: optional(isString),
  userAgent: optional(isString),
  createdAt: isNumber,
  refreshedAt: isNumber,
  endsAt: isNumber,
  applicationUser: optional(isString),
})

export const isAuthorizationTransaction = shape<AuthorizationTransaction>({
  tenant: isString,
  clientId: isString,
  codeVerifier: isString,
  redirectUri: isString,
  returnTo: isString,
  cookieHash: isString,
})

/** A check of an object with these fields. */
export function shape<Value>(
  fields: { readonly [Name in keyof Required<Value>]: (value: unknown) => boolean },
): Shape<Value> {
  const checks = Object.entries<(value: unknown) => boolean>(fields)
  return (value): value is Value => isObject(value) && checks.every(([name, check]) => check(value[name]))
}

export function optional(check: (value: unknown) => boolean) {
  return (value: unknown) => value === undefined || check(value)
}

export function isString(value: unknown): boolean {
  return typeof value === 'string'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}
