/** A JSON object with unchecked members. */
export type JsonObject = { readonly [name: string]: unknown }

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value if it is an object, otherwise an empty object. */
export const objectIn = (value: unknown): JsonObject => (isObject(value) ? value : {})
/** The value if it is an array, otherwise an empty array. */
export const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** The value if it is a string, otherwise an empty string. */
export const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')
/** The value if it is an integer, otherwise `fallback`. */
export const integerIn = (value: unknown, fallback = 0): number =>
  Number.isInteger(value) ? (value as number) : fallback

/** Members of a definition that the engine copies to the layout, such as `cId`: all but its own `q...` members. */
export function foreignMembers(definition: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(definition).filter(([name]) => !name.startsWith('q')))
}
