import type { AnalyticsApp } from '../apps/analytics-app.ts'
import type { Field } from './field-table.ts'
import type { GenericObject } from './generic-object.ts'
import type { JsonObject } from './json-value.ts'
import { RpcError } from './rpc-error.ts'
import type { RpcParameters } from './rpc-parameters.ts'
import type { Session } from './session.ts'

/** What a handle stands for. */
export type Target =
  | { readonly type: 'Global' }
  | { readonly type: 'Doc'; readonly id: string }
  | { readonly type: 'GenericObject'; readonly object: GenericObject }
  | { readonly type: 'Field'; readonly field: Field }

/** What a method may reach besides its own target. */
export interface MethodContext {
  readonly session: Session
  readonly user: { readonly id: string; readonly name: string }
  /** Apps this user may open. */
  readonly apps: () => readonly AnalyticsApp[]
  /** Gives a target a handle of this connection; the same target keeps the one it has. */
  reference(target: Target): JsonObject
  /** Handles that no longer stand for anything. */
  release(object: GenericObject): void
}

/**
 * A method of the engine protocol: names of its parameters in order, and what it does. The result's members are the
 * reply's.
 */
export interface Method<T extends Target> {
  readonly parameters: readonly string[]
  run(context: MethodContext, parameters: RpcParameters, target: T): JsonObject
}

export type Methods<T extends Target> = Readonly<Record<string, Method<T>>>

/** The reply for something that does not exist: no error, but a reference to nothing. */
export const nothing: JsonObject = { qReturn: { qType: null, qHandle: null } }

/** A method that exists in the protocol and that a read-only tenant denies. */
export const denied = { parameters: [], run: deny }

function deny(): never {
  throw new RpcError('accessDenied')
}
