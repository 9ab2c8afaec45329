import { type JsonObject, objectIn } from '../json-rpc/json-value.ts'

/** A test for a range `{ qMin, qMax, qMinInclEq, qMaxInclEq }`. A missing bound is open. */
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
