import { type Field, type FieldTable, nullElement } from './field-table.ts'

/** The value of an expression. */
export type ExpressionValue = number | string | null

/** A parsed expression. It is evaluated over the rows of one group. */
export interface Expression {
  evaluate(rows: readonly number[]): ExpressionValue
}

/** The expression has a syntax error or uses an unsupported function. The message is for the author of the expression. */
export class ExpressionError extends Error {
  override name = 'ExpressionError'
}

/**
 * Parses a chart expression. Supported: `Sum`, `Avg`, `Count`, `Min`, `Max` and `Only` over a field or a row expression
 * (also `Count(distinct x)`), arithmetic, concatenation with `&`, comparisons, `If`, `Round`, `Floor`, `Ceil`, `Abs`, `Sqrt`,
 * `Log`, `Exp`. A bare field means `Only(field)`.
 *
 * Set analysis, `TOTAL` and `Aggr` are not supported and throw.
 *
 * @throws ExpressionError
 */
export function parseExpression(source: string, table: FieldTable): Expression {
  if (source.length > maximumLength)
    throw new ExpressionError(`The expression is longer than ${maximumLength} characters`)
  const parser = expressionParser(tokenize(source.trim().replace(/^=/, '')), table)
  const term = parser.parse()
  return { evaluate: rows => term({ rows, row: undefined }) }
}

/** Evaluates an expression over rows. Returns null for an expression that cannot be parsed. */
export function evaluateExpression(source: string, table: FieldTable, rows: readonly number[]): ExpressionValue {
  try {
    return parseExpression(source, table).evaluate(rows)
  } catch (error) {
    if (error instanceof ExpressionError) return null
    throw error
  }
}

/** The field named by a dimension definition: `Field`, `[Field]`, `=Field` or `=[Field]`. */
export function fieldOf(definition: string, table: FieldTable): Field | undefined {
  const name = definition.trim().replace(/^=\s*/, '')
  return table.field(name) ?? table.field(name.replace(/^\[(.*)\]$/, '$1'))
}

const maximumLength = 4096
const maximumDepth = 64

/** `row` is the current row inside an aggregation and undefined outside. */
interface Scope {
  readonly rows: readonly number[]
  readonly row: number | undefined
}
type Term = (scope: Scope) => ExpressionValue

type Token = { readonly kind: 'number' | 'text' | 'name' | 'field' | 'sign' | 'end'; readonly value: string }

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|'((?:[^']|'')*)'|\[([^\]]+)\]|([\p{L}_][\p{L}\d_.]*)|(<=|>=|<>|[-+*/&()<>=,]))/uy

function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < source.length) {
    const position = tokenPattern.lastIndex
    const match = tokenPattern.exec(source)
    if (!match) {
      if (source.slice(position).trim() === '') break
      throw new ExpressionError(
        `Unexpected ${JSON.stringify(source.slice(position).trim().charAt(0))} at ${position + 1}`,
      )
    }
    const [, number, text, field, name, sign] = match
    if (number !== undefined) tokens.push({ kind: 'number', value: number })
    else if (text !== undefined) tokens.push({ kind: 'text', value: text.replaceAll("''", "'") })
    else if (field !== undefined) tokens.push({ kind: 'field', value: field })
    else if (name !== undefined) tokens.push({ kind: 'name', value: name })
    else tokens.push({ kind: 'sign', value: sign ?? '' })
  }
  return tokens
}

/** Recursive descent, loosest binding first: comparison, `&`, `+ -`, `* /`, sign, value. */
function expressionParser(tokens: readonly Token[], table: FieldTable) {
  const end: Token = { kind: 'end', value: 'the end' }
  let position = 0
  let depth = 0
  let aggregating = false

  const peek = () => tokens[position] ?? end
  const isSign = (...signs: string[]) => peek().kind === 'sign' && signs.includes(peek().value)
  const expect = (sign: string) => {
    if (!isSign(sign))
      throw new ExpressionError(`Expected ${JSON.stringify(sign)} instead of ${JSON.stringify(peek().value)}`)
    position++
  }

  const leftAssociative = (operand: () => Term, operators: Readonly<Record<string, Operator>>) => () => {
    let left = operand()
    while (peek().kind === 'sign' && Object.hasOwn(operators, peek().value)) {
      const operator = operators[peek().value] as Operator
      position++
      const [first, second] = [left, operand()]
      left = scope => operator(first(scope), second(scope))
    }
    return left
  }

  const product = leftAssociative(signed, {
    '*': arithmetic((a, b) => a * b),
    '/': arithmetic((a, b) => (b === 0 ? Number.NaN : a / b)),
  })
  const sum = leftAssociative(product, { '+': arithmetic((a, b) => a + b), '-': arithmetic((a, b) => a - b) })
  const text = leftAssociative(sum, { '&': (a, b) => `${a ?? ''}${b ?? ''}` })
  const comparison = leftAssociative(text, comparisons)

  function signed(): Term {
    if (!isSign('-', '+')) return value()
    const negative = tokens[position++]?.value === '-'
    const operand = nested(signed)
    return negative ? scope => negate(operand(scope)) : operand
  }

  function value(): Term {
    const token = peek()
    position++
    if (token.kind === 'number') return () => Number(token.value)
    if (token.kind === 'text') return () => token.value
    if (token.kind === 'field') return fieldTerm(requireField(token.value))
    if (token.kind === 'name')
      return isSign('(') ? nested(() => call(token.value)) : fieldTerm(requireField(token.value))
    if (token.kind === 'sign' && token.value === '(') {
      const inner = nested(comparison)
      expect(')')
      return inner
    }
    throw new ExpressionError(`Unexpected ${JSON.stringify(token.value)}`)
  }

  function call(name: string): Term {
    expect('(')
    const key = name.toLowerCase()
    const distinct = peek().kind === 'name' && peek().value.toLowerCase() === 'distinct'
    if (distinct) position++
    const aggregation = Object.hasOwn(aggregations, key) ? aggregations[key] : undefined
    // Qlik rejects nested aggregations without Aggr, too.
    if (aggregation && aggregating) throw new ExpressionError('Nested aggregation')
    const wasAggregating = aggregating
    aggregating ||= aggregation !== undefined
    const operands: Term[] = []
    while (!isSign(')')) {
      if (operands.length > 0) expect(',')
      operands.push(comparison())
    }
    position++
    aggregating = wasAggregating

    if (aggregation) {
      const [operand] = operands
      if (!operand || operands.length > 1) throw new ExpressionError(`${name} takes one argument`)
      return ({ rows }) => {
        const values = rows.map(row => operand({ rows, row })).filter(item => item !== null)
        return aggregation(distinct ? [...new Set(values)] : values)
      }
    }
    const scalar = Object.hasOwn(scalars, key) ? scalars[key] : undefined
    if (!scalar || distinct) throw new ExpressionError(`Unknown function ${JSON.stringify(name)}`)
    return scope => scalar(operands.map(operand => operand(scope)))
  }

  function requireField(name: string): Field {
    const field = table.field(name)
    if (!field) throw new ExpressionError(`Unknown field ${JSON.stringify(name)}`)
    return field
  }

  function nested(read: () => Term): Term {
    if (++depth > maximumDepth) throw new ExpressionError(`Nested deeper than ${maximumDepth} levels`)
    const term = read()
    depth--
    return term
  }

  return {
    parse() {
      const term = comparison()
      if (peek().kind !== 'end') throw new ExpressionError(`Unexpected ${JSON.stringify(peek().value)}`)
      return term
    },
  }
}

type Operator = (left: ExpressionValue, right: ExpressionValue) => ExpressionValue

const truth = (is: boolean) => (is ? -1 : 0)
const comparisons: Readonly<Record<string, Operator>> = {
  '=': (a, b) => truth(a === b),
  '<>': (a, b) => truth(a !== b),
  '<': (a, b) => truth(a !== null && b !== null && a < b),
  '>': (a, b) => truth(a !== null && b !== null && a > b),
  '<=': (a, b) => truth(a !== null && b !== null && a <= b),
  '>=': (a, b) => truth(a !== null && b !== null && a >= b),
}

function arithmetic(compute: (left: number, right: number) => number): Operator {
  return (left, right) => (typeof left === 'number' && typeof right === 'number' ? finite(compute(left, right)) : null)
}

const negate = (value: ExpressionValue) => (typeof value === 'number' ? -value : null)
const finite = (number: number) => (Number.isFinite(number) ? number : null)
const numbers = (values: readonly ExpressionValue[]) => values.filter(value => typeof value === 'number')

const aggregations: Readonly<Record<string, (values: readonly ExpressionValue[]) => ExpressionValue>> = {
  sum: values => numbers(values).reduce((sum, value) => sum + value, 0),
  avg: values => {
    const all = numbers(values)
    return all.length === 0 ? null : all.reduce((sum, value) => sum + value, 0) / all.length
  },
  count: values => values.length,
  min: values =>
    numbers(values).reduce<number | null>((least, value) => (least === null || value < least ? value : least), null),
  max: values =>
    numbers(values).reduce<number | null>((most, value) => (most === null || value > most ? value : most), null),
  only: only,
}

function only(values: readonly ExpressionValue[]): ExpressionValue {
  const [first = null] = values
  return values.every(value => value === first) ? first : null
}

const scalars: Readonly<Record<string, (values: readonly ExpressionValue[]) => ExpressionValue>> = {
  if: ([condition = null, yes = null, no = null]) => (typeof condition === 'number' && condition !== 0 ? yes : no),
  round: ([value = null, step = 1]) =>
    typeof value === 'number' && typeof step === 'number' ? finite(Math.round(value / step) * step) : null,
  floor: numeric(Math.floor),
  ceil: numeric(Math.ceil),
  abs: numeric(Math.abs),
  sqrt: numeric(Math.sqrt),
  log: numeric(Math.log),
  exp: numeric(Math.exp),
}

function numeric(compute: (value: number) => number) {
  return ([value = null]: readonly ExpressionValue[]) => (typeof value === 'number' ? finite(compute(value)) : null)
}

/** Inside an aggregation the value of the current row; outside the group's only value, or null when there are several. */
function fieldTerm(field: Field): Term {
  const valueAt = (row: number): ExpressionValue => {
    const element = field.elements[row] ?? nullElement
    const value = field.values[element]
    if (!value) return null
    return Number.isNaN(value.number) ? value.text : value.number
  }
  return ({ rows, row }) => (row === undefined ? only(rows.map(valueAt).filter(value => value !== null)) : valueAt(row))
}
