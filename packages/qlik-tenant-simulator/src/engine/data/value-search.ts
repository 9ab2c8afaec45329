import type { Field, FieldValue } from './field-table.ts'

/**
 * Element numbers of the values that match a search text.
 *
 * `>1990` and `<=5` compare numbers; `*` and `?` are wildcards for the whole value; any other text matches values that
 * contain each of its words.
 */
export function searchValues(field: Field, text: string): readonly number[] {
  const matches = valueTest(text.trim().slice(0, maximumLength))
  return field.values.flatMap((value, element) => (matches(value) ? [element] : []))
}

const maximumLength = 256

function valueTest(text: string): (value: FieldValue) => boolean {
  const comparison = /^(>=|<=|>|<|=)\s*(-?\d+(?:\.\d+)?)$/.exec(text)
  if (comparison) {
    const limit = Number(comparison[2])
    const compare = comparisons[comparison[1] ?? '='] ?? (() => false)
    return value => compare(value.number, limit)
  }
  const pattern = text.toLowerCase()
  if (/[*?]/.test(pattern)) return value => matchesWildcard(value.text.toLowerCase(), pattern)
  const words = pattern.split(/\s+/)
  return value => words.every(word => value.text.toLowerCase().includes(word))
}

const comparisons: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  '>': (value, limit) => value > limit,
  '>=': (value, limit) => value >= limit,
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '=': (value, limit) => value === limit,
}

/** Backtracks to the last `*` only, so no pattern takes exponential time, unlike a regular expression. */
function matchesWildcard(text: string, pattern: string): boolean {
  let [position, place, star, resume] = [0, 0, -1, 0]
  while (position < text.length) {
    if (
      place < pattern.length &&
      (pattern[place] === '?' || pattern[place] === text[position]) &&
      pattern[place] !== '*'
    ) {
      position++
      place++
    } else if (pattern[place] === '*') {
      star = place++
      resume = position
    } else if (star >= 0) {
      place = star + 1
      position = ++resume
    } else return false
  }
  while (pattern[place] === '*') place++
  return place === pattern.length
}
