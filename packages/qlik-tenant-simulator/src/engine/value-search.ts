import type { Field, FieldValue } from './field-table.ts'

/**
 * The values of a field that a search text matches, as element numbers.
 *
 * `>1990`, `<=5` and the like compare numbers; `*` and `?` are wildcards over the whole text; in other texts every word
 * must occur in the value.
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
  const wanted = text.toLowerCase()
  if (/[*?]/.test(wanted)) return value => matchesWildcard(value.text.toLowerCase(), wanted)
  const words = wanted.split(/\s+/)
  return value => words.every(word => value.text.toLowerCase().includes(word))
}

const comparisons: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  '>': (value, limit) => value > limit,
  '>=': (value, limit) => value >= limit,
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '=': (value, limit) => value === limit,
}

/** Greedy with one point to return to: linear for any pattern, unlike a regular expression made from it. */
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
