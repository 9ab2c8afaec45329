import { type Expression, ExpressionError, type ExpressionValue, fieldOf, parseExpression } from './expression.ts'
import { type Field, type FieldTable, nullElement } from './field-table.ts'
import { foreignMembers, integerIn, type JsonObject, listIn, objectIn, textIn } from './json-value.ts'
import { formatNumber, type NumberFormat } from './number-format.ts'
import { type PageArea, pageAreas } from './page-area.ts'
import { countStates, type ValueState } from './selection-state.ts'
import { orderedElements } from './value-order.ts'

/** The data a cube is computed from. */
export interface CubeContext {
  readonly table: FieldTable
  /** Rows that count; the possible ones, or those that were possible when a modal selection began. */
  readonly rows: readonly number[]
  /** States as they are now, for colours. */
  states(field: Field): readonly ValueState[]
}

/** A computed hypercube: one row per combination of dimension values. */
export interface HyperCube {
  /** Everything of `qHyperCube` except its data pages. */
  readonly header: JsonObject
  /** The field behind each dimension; `undefined` where the definition names none. */
  readonly fields: readonly (Field | undefined)[]
  readonly rows: readonly CubeRow[]
  /** Which column of the definition stands at each place of the matrix: dimensions first, then measures. */
  readonly columnOrder: readonly number[]
  pages(
    requested: readonly unknown[],
  ): readonly { readonly qMatrix: readonly (readonly JsonObject[])[]; readonly qArea: PageArea }[]
}

export interface CubeRow {
  /** Element number per dimension. */
  readonly elements: readonly number[]
  readonly measures: readonly ExpressionValue[]
  /** Rows of the table behind it. */
  readonly group: readonly number[]
}

export function hyperCube(definition: JsonObject, context: CubeContext): HyperCube {
  const dimensions = listIn(definition.qDimensions).map((item, index) => cubeDimension(objectIn(item), index, context))
  const measures = listIn(definition.qMeasures).map(item => cubeMeasure(objectIn(item), context.table))
  const columnCount = dimensions.length + measures.length
  const sortOrder = permutation(definition.qInterColumnSortOrder, columnCount, true)
  const columnOrder = permutation(definition.qColumnOrder, columnCount, false)

  const isComplete = columnCount > 0 && dimensions.every(dimension => dimension.field)
  const rows = isComplete
    ? sorted(suppressed(groups(dimensions, measures, context), definition), sortOrder, dimensions, measures)
    : []

  const cell = (row: CubeRow, column: number): JsonObject => {
    const dimension = dimensions[column]
    return dimension
      ? dimension.cell(row)
      : (measures[column - dimensions.length]?.cell(row.measures[column - dimensions.length] ?? null, row.group) ?? {})
  }

  return {
    fields: dimensions.map(dimension => dimension.field),
    rows,
    columnOrder,
    header: {
      ...definition,
      qDimensions: undefined,
      qMeasures: undefined,
      qInitialDataFetch: undefined,
      qMode: textIn(definition.qMode) || 'S',
      qSize: { qcx: columnCount, qcy: rows.length },
      qDimensionInfo: dimensions.map(dimension => dimension.info(rows)),
      qMeasureInfo: measures.map((measure, index) => measure.info(rows.map(row => row.measures[index] ?? null))),
      qEffectiveInterColumnSortOrder: sortOrder,
      qGrandTotalRow: isComplete ? measures.map(measure => measure.total(context.rows)) : [],
      qDataPages: [],
      qPivotDataPages: [],
      qStackedDataPages: [],
      qTreeNodesOnDim: [],
      qNoOfLeftDims: integerIn(definition.qNoOfLeftDims, -1),
      qColumnOrder: listIn(definition.qColumnOrder),
      qTitle: textIn(definition.qTitle),
      qHasOtherValues: false,
    },
    pages: requested =>
      pageAreas(requested, { columns: columnCount, rows: rows.length }).map(qArea => ({
        qMatrix: rows
          .slice(qArea.qTop, qArea.qTop + qArea.qHeight)
          .map(row => columnOrder.slice(qArea.qLeft, qArea.qLeft + qArea.qWidth).map(column => cell(row, column))),
        qTails: [],
        qArea,
        qIsReduced: false,
      })),
  }
}

interface CubeDimension {
  readonly field: Field | undefined
  readonly suppressNulls: boolean
  /** Place of each element in the dimension's order; nulls come last. */
  rank(element: number): number
  cell(row: CubeRow): JsonObject
  info(rows: readonly CubeRow[]): JsonObject
}

function cubeDimension(dimension: JsonObject, index: number, context: CubeContext): CubeDimension {
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

interface CubeMeasure {
  readonly descending: boolean
  readonly sorts: boolean
  evaluate(group: readonly number[]): ExpressionValue
  cell(value: ExpressionValue, group: readonly number[]): JsonObject
  total(rows: readonly number[]): JsonObject
  info(values: readonly ExpressionValue[]): JsonObject
}

function cubeMeasure(measure: JsonObject, table: FieldTable): CubeMeasure {
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

function groups(
  dimensions: readonly CubeDimension[],
  measures: readonly CubeMeasure[],
  context: CubeContext,
): readonly CubeRow[] {
  const byKey = new Map<string, { elements: readonly number[]; group: number[] }>()
  for (const row of context.rows) {
    const elements = dimensions.map(dimension => dimension.field?.elements[row] ?? nullElement)
    if (elements.some((element, index) => element < 0 && dimensions[index]?.suppressNulls)) continue
    const key = elements.join()
    const known = byKey.get(key)
    if (known) known.group.push(row)
    else byKey.set(key, { elements, group: [row] })
  }
  // Without a dimension there is one row, also when nothing is possible.
  if (dimensions.length === 0) byKey.set('', { elements: [], group: [...context.rows] })
  return [...byKey.values()].map(({ elements, group }) => ({
    elements,
    group,
    measures: measures.map(measure => measure.evaluate(group)),
  }))
}

function suppressed(rows: readonly CubeRow[], definition: JsonObject): readonly CubeRow[] {
  return rows.filter(({ measures, elements }) => {
    if (measures.length === 0 || elements.length === 0) return true
    if (definition.qSuppressMissing === true && measures.every(value => value === null)) return false
    return !(definition.qSuppressZero === true && measures.every(value => value === null || value === 0))
  })
}

function sorted(
  rows: readonly CubeRow[],
  order: readonly number[],
  dimensions: readonly CubeDimension[],
  measures: readonly CubeMeasure[],
): readonly CubeRow[] {
  const comparisons = order.map(column => {
    const dimension = dimensions[column]
    if (dimension) {
      return (a: CubeRow, b: CubeRow) =>
        dimension.rank(a.elements[column] ?? nullElement) - dimension.rank(b.elements[column] ?? nullElement)
    }
    const index = column - dimensions.length
    const measure = measures[index]
    if (!measure?.sorts) return () => 0
    return (a: CubeRow, b: CubeRow) =>
      compareMeasures(a.measures[index] ?? null, b.measures[index] ?? null, measure.descending)
  })
  return [...rows].sort((a, b) => {
    for (const comparison of comparisons) {
      const result = comparison(a, b)
      if (result !== 0) return result
    }
    return 0
  })
}

/** Nulls and texts come last in either direction. */
function compareMeasures(left: ExpressionValue, right: ExpressionValue, descending: boolean): number {
  const [a, b] = [typeof left === 'number', typeof right === 'number']
  if (!a || !b) return Number(b) - Number(a)
  return descending ? Number(right) - Number(left) : Number(left) - Number(right)
}

/**
 * An order of columns that a definition gives; columns it does not name follow, or the whole is ignored when it must be
 * complete.
 */
function permutation(order: unknown, count: number, fill: boolean): readonly number[] {
  const natural = Array.from({ length: count }, (_, column) => column)
  const named = [...new Set(listIn(order))].filter(column => natural.includes(column as number)) as number[]
  if (!fill) return named.length === count ? named : natural
  return [...named, ...natural.filter(column => !named.includes(column))]
}

function attributeExpressions(column: JsonObject, table: FieldTable) {
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

function readExpression(
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

function measureCell(value: ExpressionValue, format: NumberFormat) {
  if (typeof value === 'number') return { qText: formatNumber(value, format), qNum: value }
  return value === null ? { qText: '-', qNum: 'NaN', qIsNull: true } : { qText: value, qNum: 'NaN' }
}

/** The engine's code for a definition that cannot be evaluated. */
const expressionErrorCode = 7000
export const unknownFormat = { qType: 'U', qnDec: 0, qUseThou: 0 }

/** JSON has no NaN; the protocol writes it as a text. */
export const json = (number: number) => (Number.isNaN(number) ? 'NaN' : number)

export function extent(values: readonly number[]): { readonly min: number; readonly max: number } {
  const known = values.filter(value => !Number.isNaN(value))
  if (known.length === 0) return { min: Number.NaN, max: Number.NaN }
  return { min: known.reduce((a, b) => Math.min(a, b)), max: known.reduce((a, b) => Math.max(a, b)) }
}

export function fieldTags(field: Field | undefined): readonly string[] {
  if (!field) return []
  if (!field.isNumeric) return ['$ascii', '$text']
  return field.values.every(value => Number.isInteger(value.number)) ? ['$numeric', '$integer'] : ['$numeric']
}

const sortIndicator = (criteria: JsonObject) =>
  Object.entries(criteria).some(([name, direction]) => name.startsWith('qSortBy') && direction === -1) ? 'D' : 'A'

export const plainName = (definition: string) => definition.replace(/^=/, '').replace(/^\[(.*)\]$/, '$1')
