import type { ExpressionValue } from '../data/expression.ts'
import type { FieldTable } from '../data/field-table.ts'
import { formatNumber, type NumberFormat } from '../data/number-format.ts'
import { foreignMembers, type JsonObject, objectIn, textIn } from '../json-rpc/json-value.ts'
import {
  attributeExpressions,
  expressionErrorCode,
  extent,
  json,
  readExpression,
  sortIndicator,
  unknownFormat,
} from './cube-column.ts'

/** A measure of a hypercube. */
export interface CubeMeasure {
  readonly descending: boolean
  readonly sorts: boolean
  evaluate(group: readonly number[]): ExpressionValue
  cell(value: ExpressionValue, group: readonly number[]): JsonObject
  total(rows: readonly number[]): JsonObject
  info(values: readonly ExpressionValue[]): JsonObject
}

/** Reads one entry of `qMeasures`. */
export function cubeMeasure(measure: JsonObject, table: FieldTable): CubeMeasure {
  const definition = objectIn(measure.qDef)
  const source = textIn(definition.qDef)
  const parsed = readExpression(source, table)
  const format: NumberFormat = objectIn(definition.qNumFormat)
  const criteria = objectIn(measure.qSortBy)
  const attributes = attributeExpressions(measure, table)
  const evaluate = (rows: readonly number[]) => parsed.expression?.evaluate(rows) ?? null

  return {
    descending: criteria.qSortByNumeric === -1,
    sorts: criteria.qSortByNumeric === 1 || criteria.qSortByNumeric === -1,
    evaluate,
    cell: (value, group) => ({ ...measureCell(value, format), qElemNumber: 0, qState: 'L', ...attributes.cell(group) }),
    total: rows => ({ ...measureCell(evaluate(rows), format), qElemNumber: -1, qState: 'X', qIsTotalCell: true }),
    info(values) {
      const range = extent(values.filter(value => typeof value === 'number'))
      return {
        ...foreignMembers(definition),
        qFallbackTitle: textIn(definition.qLabel) || source,
        qApprMaxGlyphCount: Math.max(0, ...values.map(value => measureCell(value, format).qText.length)),
        qCardinal: 0,
        qSortIndicator: sortIndicator(criteria),
        qNumFormat: { ...unknownFormat, ...format },
        qIsAutoFormat: definition.isAutoFormat === true,
        qMin: json(range.min),
        qMax: json(range.max),
        qReverseSort: false,
        qSortBy: criteria,
        qAttrExprInfo: attributes.info([]),
        qAttrDimInfo: [],
        qTrendLines: [],
        qCalcCondMsg: '',
        qLibraryId: textIn(measure.qLibraryId),
        ...(parsed.error ? { qError: { qErrorCode: expressionErrorCode, qExtendedMessage: parsed.error } } : {}),
      }
    },
  }
}

function measureCell(value: ExpressionValue, format: NumberFormat) {
  if (typeof value === 'number') return { qText: formatNumber(value, format), qNum: value }
  return value === null ? { qText: '-', qNum: 'NaN', qIsNull: true } : { qText: value, qNum: 'NaN' }
}
