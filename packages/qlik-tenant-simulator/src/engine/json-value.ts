/** A JSON object whose members are not checked yet. */
export type JsonObject = { readonly [name: string]: unknown }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads a member that should be an object; anything else reads as an empty one. */
export const objectIn = (value: unknown): JsonObject => (isObject(value) ? value : {})
export const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')
export const integerIn = (value: unknown, fallback = 0): number =>
  Number.isInteger(value) ? (value as number) : fallback

/**
 * The definitions keep names of their own (`cId`, `title`); the engine hands them through, its own (`q...`) it
 * interprets.
 */
export function foreignMembers(definition: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(definition).filter(([name]) => !name.startsWith('q')))
}
