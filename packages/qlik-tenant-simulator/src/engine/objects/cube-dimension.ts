import { fieldOf } from '../data/expression.ts'
import { type Field, nullElement } from '../data/field-table.ts'
import { foreignMembers, integerIn, type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import { countStates } from '../selections/selection-state.ts'
import {
  attributeExpressions,
  type CubeContext,
  type CubeRow,
  expressionErrorCode,
  extent,
  fieldTags,
  json,
  plainName,
  sortIndicator,
  unknownFormat,
} from './cube-column.ts'
import { orderedElements } from './value-order.ts'

/** A dimension of a hypercube. */
export interface CubeDimension {
  readonly field: Field | undefined
  readonly suppressNulls: boolean
  /** Position of an element in the dimension's sort order; nulls sort last. */
  rank(element: number): number
  cell(row: CubeRow): JsonObject
  info(rows: readonly CubeRow[]): JsonObject
}

/** Reads one entry of `qDimensions`; `index` is its position. */
export function cubeDimension(dimension: JsonObject, index: number, context: CubeContext): CubeDimension {
  const definition = objectIn(dimension.qDef)
  const fieldDefinitions = listIn(definition.qFieldDefs).map(textIn)
  const active = Math.min(Math.max(integerIn(definition.qActiveField), 0), Math.max(fieldDefinitions.length - 1, 0))
  const source = fieldDefinitions[active] ?? ''
  const field = fieldOf(source, context.table)
  const states = field ? context.states(field) : []
  const criteria = objectIn(listIn(definition.qSortCriterias)[active])
  const ranks = new Map(
    field ? orderedElements(field, criteria, { ...context, states }).map((element, rank) => [element, rank]) : [],
  )
  const attributes = attributeExpressions(dimension, context.table)
  const titles = fieldDefinitions.map(
    (name, position) => textIn(listIn(definition.qFieldLabels)[position]) || plainName(name),
  )

  const elementOf = (row: CubeRow) => row.elements[index] ?? nullElement
  return {
    field,
    suppressNulls: dimension.qNullSuppression === true,
    rank: element => ranks.get(element) ?? Number.MAX_SAFE_INTEGER,
    cell(row) {
      const element = elementOf(row)
      const value = field?.values[element]
      return {
        qText: value?.text ?? '-',
        qNum: json(value?.number ?? Number.NaN),
        qElemNumber: element,
        qState: states[element] ?? 'L',
        ...(value ? {} : { qIsNull: true }),
        ...attributes.cell(row.group),
      }
    },
    info(rows) {
      const used = new Set(rows.map(elementOf).filter(element => element >= 0))
      const values = [...used].map(element => field?.values[element]).filter(value => value !== undefined)
      const range = extent(values.map(value => value.number))
      return {
        ...foreignMembers(definition),
        qFallbackTitle: titles[active] ?? '',
        qApprMaxGlyphCount: Math.max(0, ...values.map(value => value.text.length)),
        qCardinal: field?.values.length ?? 0,
        qCardinalities: { qCardinal: field?.values.length ?? 0, qHypercubeCardinal: used.size, qAllValuesCardinal: -1 },
        qSortIndicator: sortIndicator(criteria),
        qGroupFallbackTitles: titles,
        qGroupPos: active,
        qGroupFieldDefs: fieldDefinitions,
        qGrouping: textIn(definition.qGrouping) || 'N',
        qStateCounts: countStates(states),
        qTags: fieldTags(field),
        qDimensionType: field?.isNumeric ? 'N' : 'D',
        qNumFormat: unknownFormat,
        qIsAutoFormat: true,
        qMin: json(range.min),
        qMax: json(range.max),
        qReverseSort: definition.qReverseSort === true,
        qSortCriterias: criteria,
        qAttrExprInfo: attributes.info(rows),
        qAttrDimInfo: [],
        qCalcCondMsg: '',
        qLibraryId: textIn(dimension.qLibraryId),
        ...(field
          ? {}
          : {
              qError: { qErrorCode: expressionErrorCode, qExtendedMessage: `Unknown field ${JSON.stringify(source)}` },
            }),
      }
    },
  }
}
