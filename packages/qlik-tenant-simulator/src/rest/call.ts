import type { Exchange } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { AccessToken } from '../oauth/token-vault.ts'
import type { TenantState } from '../tenant-state.ts'
import type { TenantUser } from '../tenant-user.ts'

/** A REST request whose bearer token was found good. */
export interface Call {
  readonly state: TenantState
  readonly exchange: Exchange
  readonly user: TenantUser
  readonly token: AccessToken
  /** The parts of the path that the route names, decoded. */
  readonly path: Readonly<Record<string, string>>
}

export interface Route {
  readonly method: string
  /** A path with `{names}`. */
  readonly path: string
  /** Scopes of which the token needs one. None listed: every token will do. */
  readonly scopes?: readonly string[]
  readonly answer: (call: Call) => Promise<void>
}

/** Scopes only narrow what a user may do, so both the role and a scope are needed. */
export function isAdmin({ user, token }: Pick<Call, 'user' | 'token'>, scope?: string): boolean {
  const allowed = token.scope.includes('admin_classic') || (scope !== undefined && token.scope.includes(scope))
  return allowed && (user.roles ?? []).includes('TenantAdmin')
}

/** @throws QlikError 403 */
export function requireAdmin(call: Call, scope?: string): void {
  if (!isAdmin(call, scope))
    throw new QlikError(403, 'HTTP-403', 'Forbidden', 'This needs the role TenantAdmin and an administrative scope')
}

/** Qlik Cloud says 404, not 403, about what somebody may not see. */
export function notFound(what: string): QlikError {
  return new QlikError(404, 'HTTP-404', 'Not found', `${what} was not found`)
}

export function badRequest(detail: string): QlikError {
  return new QlikError(400, 'HTTP-400', 'Bad request', detail)
}

/** The parameter of the path. */
export function part(call: Call, name: string): string {
  return call.path[name] ?? ''
}
