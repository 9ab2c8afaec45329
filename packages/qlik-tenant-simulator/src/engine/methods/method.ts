import type { AnalyticsApp } from '../../apps/analytics-app.ts'
import type { Field } from '../data/field-table.ts'
import type { JsonObject } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import type { RpcParameters } from '../json-rpc/rpc-parameters.ts'
import type { GenericObject } from '../objects/generic-object.ts'
import type { Session } from '../objects/session.ts'

/** The entity behind a handle. */
export type Target =
  | { readonly type: 'Global' }
  | { readonly type: 'Doc'; readonly id: string }
  | ObjectTarget
  | { readonly type: 'Field'; readonly field: Field }

export type ObjectTarget = { readonly type: 'GenericObject'; readonly object: GenericObject }

/** What a method can use besides its target. */
export interface MethodContext {
  readonly session: Session
  readonly user: { readonly id: string; readonly name: string }
  /** Apps this user may open. */
  readonly apps: () => readonly AnalyticsApp[]
  /** The `qReturn` of a target; the same target always gets the same handle of this connection. */
  reference(target: Target): JsonObject
  /** Frees the handle of a destroyed object. */
  release(object: GenericObject): void
}

/** A method of the engine protocol. */
export interface Method<T extends Target> {
  /** Parameter names in positional order. */
  readonly parameters: readonly string[]
  /** Carries out the method. @returns the members of `result` @throws RpcError */
  run(context: MethodContext, parameters: RpcParameters, target: T): JsonObject
}

export type Methods<T extends Target> = Readonly<Record<string, Method<T>>>

/** The response for an entity that does not exist: a null handle instead of an error. */
export const nothing: JsonObject = { qReturn: { qType: null, qHandle: null } }

/** A protocol method that always fails with 5 (access denied): apps are read-only. */
export const denied = { parameters: [], run: deny }

function deny(): never {
  throw new RpcError('accessDenied')
}
