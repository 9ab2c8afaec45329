import { isObject, type JsonObject, listIn, textIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'

/**
 * Applies patches (`{ qOp, qPath, qValue }`, with JSON text in `qValue`) to a copy of the properties.
 *
 * @throws RpcError -32602 for an unknown path or invalid JSON
 */
export function patched(properties: JsonObject, patches: readonly unknown[]): JsonObject {
  const copy = structuredClone(properties)
  for (const patch of patches) {
    if (!isObject(patch)) throw new RpcError('parameters', 'qPatches')
    const names = textIn(patch.qPath).split('/').slice(1).map(unescaped)
    const last = names.pop()
    const parent = names.reduce<unknown>(
      (value, name) => (isContainer(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      copy,
    )
    if (last === undefined || !isContainer(parent)) throw new RpcError('parameters', 'qPath', 'Unknown path')
    applyPatch(parent, last, patch)
  }
  return copy
}

function applyPatch(parent: Record<string, unknown>, name: string, patch: JsonObject): void {
  const operation = textIn(patch.qOp).toLowerCase()
  if (operation === 'remove') {
    if (Array.isArray(parent)) parent.splice(Number(name), 1)
    else delete parent[name]
    return
  }
  const value = parsed(patch.qValue)
  if (operation === 'add' && Array.isArray(parent))
    parent.splice(name === '-' ? listIn(parent).length : Number(name), 0, value)
  // An assignment to `__proto__` would change the prototype.
  else Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true })
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(textIn(text))
  } catch {
    throw new RpcError('parameters', 'qValue', 'qValue must be valid JSON')
  }
}

const isContainer = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const unescaped = (name: string) => name.replaceAll('~1', '/').replaceAll('~0', '~')
