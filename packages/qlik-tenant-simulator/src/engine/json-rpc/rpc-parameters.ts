import { isObject, type JsonObject } from './json-value.ts'
import { RpcError } from './rpc-error.ts'

/**
 * Typed access to the parameters of a request. Each method throws RpcError -32602 for a value of the wrong type, and for
 * a missing value without a fallback.
 */
export interface RpcParameters {
  text(name: string, fallback?: string): string
  integer(name: string, fallback?: number): number
  boolean(name: string, fallback?: boolean): boolean
  object(name: string): JsonObject
  list(name: string, fallback?: readonly unknown[]): readonly unknown[]
  integers(name: string): readonly number[]
}

/** Reads positional parameters, in the order of `names`, or named parameters. */
export function rpcParameters(raw: unknown, names: readonly string[]): RpcParameters {
  if (raw !== undefined && !Array.isArray(raw) && !isObject(raw)) throw new RpcError('parameters', 'params')
  const value = (name: string): unknown => {
    const received = Array.isArray(raw)
      ? raw[names.indexOf(name)]
      : isObject(raw) && Object.hasOwn(raw, name)
        ? raw[name]
        : undefined
    return received ?? undefined
  }
  const read = <T>(name: string, is: (value: unknown) => value is T, fallback: T | undefined): T => {
    const received = value(name) ?? fallback
    if (!is(received)) throw new RpcError('parameters', name)
    return received
  }
  return {
    text: (name, fallback) => read(name, isText, fallback),
    integer: (name, fallback) => read(name, isInteger, fallback),
    boolean: (name, fallback = false) => read(name, isBoolean, fallback),
    object: name => read(name, isObject, undefined),
    list: (name, fallback) => read(name, isList, fallback),
    integers: name => read(name, isIntegers, undefined),
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isInteger = (value: unknown): value is number => Number.isInteger(value)
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isIntegers = (value: unknown): value is readonly number[] => isList(value) && value.every(isInteger)
