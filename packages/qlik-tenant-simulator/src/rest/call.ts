import type { Exchange } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { TenantState } from '../tenant/state.ts'
import type { AccessToken } from '../tenant/tokens.ts'
import type { TenantUser } from '../tenant/users.ts'

/** An authenticated REST request. */
export interface Call {
  readonly state: TenantState
  readonly exchange: Exchange
  readonly user: TenantUser
  readonly token: AccessToken
  /** Path parameters of the route, decoded. */
  readonly path: Readonly<Record<string, string>>
}

/** A route of the REST API. */
export interface Route {
  readonly method: string
  /** Path with parameters, such as `/api/v1/apps/{id}`. */
  readonly path: string
  /** The token needs one of these scopes; with `any`, it needs none. */
  readonly scopes: readonly string[] | 'any'
  readonly handle: (call: Call) => Promise<void>
}

/** Scopes that cover all APIs which a user, or an administrator, can call. */
export const generalScopes = ['user_default', 'admin_classic']

/** @throws QlikError 403 unless the token has one of the scopes */
export function requireScope({ scope }: AccessToken, scopes: Route['scopes']): void {
  if (scopes === 'any' || scopes.some(name => scope.includes(name))) return
  throw new QlikError(403, 'HTTP-403', 'Forbidden', `Requires one of the scopes ${scopes.join(', ')}`)
}

/** Whether the caller may administer the tenant. Scopes never add rights, so both the role and a scope are required. */
export function isAdmin({ user, token }: Pick<Call, 'user' | 'token'>, scope?: string): boolean {
  const allowed = token.scope.includes('admin_classic') || (scope !== undefined && token.scope.includes(scope))
  return allowed && (user.roles ?? []).includes('TenantAdmin')
}

/** @throws QlikError 403 unless the caller may administer the tenant */
export function requireAdmin(call: Call, scope?: string): void {
  if (!isAdmin(call, scope))
    throw new QlikError(403, 'HTTP-403', 'Forbidden', 'Requires the role TenantAdmin and an administrative scope')
}

/** 404, which Qlik Cloud also sends for resources the user cannot see. */
export function notFound(what: string): QlikError {
  return new QlikError(404, 'HTTP-404', 'Not found', `${what} was not found`)
}

/** 400 with a detail. */
export function badRequest(detail: string): QlikError {
  return new QlikError(400, 'HTTP-400', 'Bad request', detail)
}

/** A path parameter. */
export function pathParameter(call: Call, name: string): string {
  return call.path[name] ?? ''
}
