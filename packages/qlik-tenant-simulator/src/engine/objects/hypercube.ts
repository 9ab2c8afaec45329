import type { ExpressionValue } from '../data/expression.ts'
import { type Field, nullElement } from '../data/field-table.ts'
import { integerIn, type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import type { CubeContext, CubeRow } from './cube-column.ts'
import { type CubeDimension, cubeDimension } from './cube-dimension.ts'
import { type CubeMeasure, cubeMeasure } from './cube-measure.ts'
import { type PageArea, pageAreas } from './page-area.ts'

/** A computed hypercube: one row per combination of dimension values. */
export interface HyperCube {
  /** `qHyperCube` without its data pages. */
  readonly header: JsonObject
  /** Field of each dimension; `undefined` for an unknown field. */
  readonly fields: readonly (Field | undefined)[]
  readonly rows: readonly CubeRow[]
  /** Column of the definition (dimensions first, then measures) shown in each column of `qMatrix`. */
  readonly columnOrder: readonly number[]
  /** @throws RpcError 7009 when the requested pages hold more than 10,000 cells. */
  pages(
    requested: readonly unknown[],
  ): readonly { readonly qMatrix: readonly (readonly JsonObject[])[]; readonly qArea: PageArea }[]
}

/** Computes a hypercube (`qHyperCubeDef`) in straight mode. */
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
  // Without dimensions the cube has exactly one row, even when no table row is possible.
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

/** Nulls and text sort last in both directions. */
function compareMeasures(left: ExpressionValue, right: ExpressionValue, descending: boolean): number {
  const [a, b] = [typeof left === 'number', typeof right === 'number']
  if (!a || !b) return Number(b) - Number(a)
  return descending ? Number(right) - Number(left) : Number(left) - Number(right)
}

/**
 * A column order from a definition. With `fill`, columns that `order` omits follow; without it, an incomplete order is
 * ignored.
 */
function permutation(order: unknown, count: number, fill: boolean): readonly number[] {
  const natural = Array.from({ length: count }, (_, column) => column)
  const named = [...new Set(listIn(order))].filter(column => natural.includes(column as number)) as number[]
  if (!fill) return named.length === count ? named : natural
  return [...named, ...natural.filter(column => !named.includes(column))]
}
