import { isObject, type JsonObject, listIn, textIn } from './json-value.ts'
import { RpcError } from './rpc-error.ts'

/**
 * Applies the engine's patches (`{ qOp, qPath, qValue }`, the value as JSON text) to a copy of the properties.
 *
 * @throws RpcError When a patch leads nowhere or carries no JSON.
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
    if (last === undefined || !isContainer(parent)) throw new RpcError('parameters', 'qPath', 'A patch leads nowhere')
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
  // Defines the member: an assignment to `__proto__` would do something else.
  else Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true })
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(textIn(text))
  } catch {
    throw new RpcError('parameters', 'qValue', 'The value of a patch must be JSON')
  }
}

const isContainer = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const unescaped = (name: string) => name.replaceAll('~1', '/').replaceAll('~0', '~')
