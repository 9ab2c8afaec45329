import { type Expression, ExpressionError, type ExpressionValue, parseExpression } from '../data/expression.ts'
import type { Field, FieldTable } from '../data/field-table.ts'
import { formatNumber } from '../data/number-format.ts'
import { type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import type { ValueState } from '../selections/selection-state.ts'

/** The data that hypercubes and list objects are computed from. */
export interface CubeContext {
  readonly table: FieldTable
  /** Rows to aggregate: the possible rows, or the rows that were possible when a modal selection began. */
  readonly rows: readonly number[]
  /** Current state of each value; charts colour values by it. */
  states(field: Field): readonly ValueState[]
}

/** One row of a hypercube: a combination of dimension values with its measures. */
export interface CubeRow {
  /** Element number per dimension. */
  readonly elements: readonly number[]
  readonly measures: readonly ExpressionValue[]
  /** Table rows that the measures aggregate. */
  readonly group: readonly number[]
}

/** Attribute expressions of a dimension or measure: further values per cell, such as colours. */
export function attributeExpressions(column: JsonObject, table: FieldTable) {
  const expressions = listIn(column.qAttributeExpressions).map(item => {
    const source = textIn(objectIn(item).qExpression)
    return { source, expression: source ? readExpression(source, table).expression : undefined }
  })
  const attributeOf = (expression: Expression | undefined, group: readonly number[]) =>
    expression?.evaluate(group) ?? null
  return {
    cell: (group: readonly number[]): JsonObject =>
      expressions.length === 0
        ? {}
        : { qAttrExps: { qValues: expressions.map(item => attributeValue(attributeOf(item.expression, group))) } },
    info: (rows: readonly CubeRow[]): readonly JsonObject[] =>
      expressions.map(item => {
        const range = extent(
          rows.map(row => attributeOf(item.expression, row.group)).filter(value => typeof value === 'number'),
        )
        return { qFallbackTitle: item.source, qMin: json(range.min), qMax: json(range.max), qNumFormat: unknownFormat }
      }),
  }
}

function attributeValue(value: ExpressionValue): JsonObject {
  if (typeof value === 'number') return { qText: formatNumber(value), qNum: value }
  return { qText: value ?? '', qNum: 'NaN' }
}

/** Parses an expression. On failure `error` is the message for `qError`. */
export function readExpression(
  source: string,
  table: FieldTable,
): { readonly expression?: Expression; readonly error?: string } {
  try {
    return { expression: parseExpression(source, table) }
  } catch (error) {
    if (error instanceof ExpressionError) return { error: error.message }
    throw error
  }
}

/** The engine's code for a definition that cannot be evaluated. */
export const expressionErrorCode = 7000
/** `qNumFormat` of a column without a format. */
export const unknownFormat = { qType: 'U', qnDec: 0, qUseThou: 0 }

/** A number as the protocol writes it: JSON has no NaN, so NaN becomes the string `'NaN'`. */
export const json = (number: number) => (Number.isNaN(number) ? 'NaN' : number)

/** Smallest and largest number; NaN when there is none. */
export function extent(values: readonly number[]): { readonly min: number; readonly max: number } {
  const known = values.filter(value => !Number.isNaN(value))
  if (known.length === 0) return { min: Number.NaN, max: Number.NaN }
  return { min: known.reduce((a, b) => Math.min(a, b)), max: known.reduce((a, b) => Math.max(a, b)) }
}

/** The tags that the engine derives from a field's values, such as `$numeric`. */
export function fieldTags(field: Field | undefined): readonly string[] {
  if (!field) return []
  if (!field.isNumeric) return ['$ascii', '$text']
  return field.values.every(value => Number.isInteger(value.number)) ? ['$numeric', '$integer'] : ['$numeric']
}

/** `qSortIndicator`: `D` when any criterion sorts descending, otherwise `A`. */
export const sortIndicator = (criteria: JsonObject) =>
  Object.entries(criteria).some(([name, direction]) => name.startsWith('qSortBy') && direction === -1) ? 'D' : 'A'

/** A field name without `=` and brackets. */
export const plainName = (definition: string) => definition.replace(/^=/, '').replace(/^\[(.*)\]$/, '$1')
