import { ExpressionError, type ExpressionValue, parseExpression } from '../data/expression.ts'
import type { Field, FieldTable } from '../data/field-table.ts'
import { isObject, type JsonObject, objectIn, textIn } from '../json-rpc/json-value.ts'
import type { ValueState } from '../selections/selection-state.ts'

/** What sort criteria can refer to. */
export interface OrderContext {
  readonly table: FieldTable
  readonly rows: readonly number[]
  readonly states: readonly ValueState[]
}

type Comparison = (left: number, right: number) => number

/**
 * Element numbers of a field, sorted.
 *
 * The criteria (`qSortBy...`: 1, -1 or 0) apply in the engine's order: state, expression, frequency, numeric, text, load
 * order.
 */
export function orderedElements(field: Field, criteria: unknown, context: OrderContext): readonly number[] {
  const {
    qSortByState,
    qSortByExpression,
    qSortByFrequency,
    qSortByNumeric,
    qSortByAscii,
    qSortByLoadOrder,
    qExpression,
  } = objectIn(criteria)
  const value = (element: number) => field.values[element] ?? { text: '', number: Number.NaN }
  const comparisons: readonly (Comparison | undefined)[] = [
    directed(qSortByState, () => (a, b) => stateRank(context.states[b]) - stateRank(context.states[a])),
    directed(qSortByExpression, () => byExpression(field, expressionText(qExpression), context)),
    directed(qSortByFrequency, () => {
      const frequency = frequencies(field, context.rows)
      return (a, b) => (frequency[a] ?? 0) - (frequency[b] ?? 0)
    }),
    directed(qSortByNumeric, () => (a, b) => compareNumbers(value(a).number, value(b).number)),
    directed(qSortByAscii, () => (a, b) => collator.compare(value(a).text, value(b).text)),
    directed(qSortByLoadOrder, () => (a, b) => a - b),
  ]
  const active = comparisons.filter(comparison => comparison !== undefined)
  return field.values
    .map((_, element) => element)
    .sort((a, b) => {
      for (const comparison of active) {
        const order = comparison(a, b)
        if (order !== 0) return order
      }
      return a - b
    })
}

/** Number of rows per element number. */
export function frequencies(field: Field, rows: readonly number[]): Uint32Array {
  const counts = new Uint32Array(field.values.length)
  for (const row of rows) {
    const element = field.elements[row]
    if (element !== undefined && element >= 0) counts[element] = (counts[element] ?? 0) + 1
  }
  return counts
}

const collator = new Intl.Collator('en', { sensitivity: 'base' })

/** The comparison for 1, its reverse for -1, otherwise undefined. */
function directed(direction: unknown, make: () => Comparison): Comparison | undefined {
  if (direction !== 1 && direction !== -1) return undefined
  const comparison = make()
  return direction === 1 ? comparison : (a, b) => comparison(b, a)
}

/** Ascending order lists selected values first. */
function stateRank(state: ValueState | undefined): number {
  return ['X', 'XL', 'XS', 'A', 'O', 'S', 'L'].indexOf(state ?? 'X')
}

function compareNumbers(left: number, right: number): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
  return left - right
}

function byExpression(field: Field, source: string, { table, rows }: OrderContext): Comparison {
  const rowsOf = field.values.map((): number[] => [])
  for (const row of rows) rowsOf[field.elements[row] ?? -1]?.push(row)
  try {
    const expression = parseExpression(source, table)
    const keys = rowsOf.map(group => asNumber(expression.evaluate(group)))
    return (a, b) => compareNumbers(keys[a] ?? Number.NaN, keys[b] ?? Number.NaN)
  } catch (error) {
    if (error instanceof ExpressionError) return () => 0
    throw error
  }
}

const asNumber = (value: ExpressionValue) => (typeof value === 'number' ? value : Number.NaN)

/** Reads `'=...'` or `{ qv: '=...' }`. */
function expressionText(value: unknown): string {
  return isObject(value) ? textIn((value as JsonObject).qv) : textIn(value)
}
