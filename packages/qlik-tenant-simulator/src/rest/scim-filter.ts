import { badRequest } from './call.ts'

/**
 * Tests a record against a SCIM filter of comparisons joined by `and` and `or`: `name eq "x" and status ne "disabled"`.
 *
 * @throws QlikError 400 for a filter beyond that
 */
export function matchesFilter(filter: string, record: Readonly<Record<string, unknown>>): boolean {
  const tokens = filter.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? []
  let result: boolean | undefined
  let joint = 'or'
  for (let at = 0; at < tokens.length; at += 4) {
    const [field = '', operator = '', literal = '', next] = tokens.slice(at, at + 4)
    const holds = compare(record[field], operator.toLowerCase(), parseLiteral(literal))
    // `and` binds the comparison to what stands before it; without parentheses that suffices for lists of either kind.
    result = result === undefined ? holds : joint === 'and' ? result && holds : result || holds
    if (next !== undefined && !/^(and|or)$/i.test(next)) throw badRequest(`filter: expected "and" or "or", got ${next}`)
    if (next !== undefined && at + 4 >= tokens.length) throw badRequest('filter: incomplete')
    joint = next?.toLowerCase() ?? 'or'
  }
  if (result === undefined) throw badRequest('filter: empty')
  return result
}

function parseLiteral(literal: string): string {
  if (!literal.startsWith('"')) return literal
  try {
    return String(JSON.parse(literal))
  } catch {
    throw badRequest('filter: bad string')
  }
}

function compare(value: unknown, operator: string, literal: string): boolean {
  const text = value === undefined || value === null ? '' : String(value)
  const operations: Readonly<Record<string, boolean>> = {
    eq: text === literal,
    ne: text !== literal,
    co: text.toLowerCase().includes(literal.toLowerCase()),
    sw: text.toLowerCase().startsWith(literal.toLowerCase()),
  }
  const result = Object.hasOwn(operations, operator) ? operations[operator] : undefined
  if (result === undefined) throw badRequest(`filter: unknown operator ${JSON.stringify(operator)}`)
  return result
}
