import { type JsonObject, objectIn } from './json-value.ts'

/** A range as clients draw it on an axis: `{ qMin, qMax, qMinInclEq, qMaxInclEq }`, either end possibly open. */
export function isInRange(range: unknown): (value: unknown) => boolean {
  const { qMin, qMax, qMinInclEq, qMaxInclEq }: JsonObject = objectIn(range)
  const above =
    typeof qMin !== 'number'
      ? () => true
      : qMinInclEq === false
        ? (value: number) => value > qMin
        : (value: number) => value >= qMin
  const below =
    typeof qMax !== 'number'
      ? () => true
      : qMaxInclEq === false
        ? (value: number) => value < qMax
        : (value: number) => value <= qMax
  return value => typeof value === 'number' && above(value) && below(value)
}
