import { badRequest } from './call.ts'

/**
 * Whether a record matches a SCIM filter of comparisons joined by `and` and `or`, such as
 * `name eq "x" and status ne "disabled"`. Parentheses are not supported.
 *
 * @throws QlikError 400 for any other filter
 */
export function matchesFilter(filter: string, record: Readonly<Record<string, unknown>>): boolean {
  const tokens = filter.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? []
  let result: boolean | undefined
  let operatorBefore = 'or'
  for (let at = 0; at < tokens.length; at += 4) {
    const [field = '', operator = '', literal = '', next] = tokens.slice(at, at + 4)
    const holds = compare(record[field], operator.toLowerCase(), parseLiteral(literal))
    // Evaluated from left to right. Filters that mix `and` and `or` are not needed here.
    result = result === undefined ? holds : operatorBefore === 'and' ? result && holds : result || holds
    if (next !== undefined && !/^(and|or)$/i.test(next)) throw badRequest(`filter: expected "and" or "or", got ${next}`)
    if (next !== undefined && at + 4 >= tokens.length) throw badRequest('filter: incomplete')
    operatorBefore = next?.toLowerCase() ?? 'or'
  }
  if (result === undefined) throw badRequest('filter: empty')
  return result
}

function parseLiteral(literal: string): string {
  if (!literal.startsWith('"')) return literal
  try {
    return String(JSON.parse(literal))
  } catch {
    throw badRequest('filter: malformed string')
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
