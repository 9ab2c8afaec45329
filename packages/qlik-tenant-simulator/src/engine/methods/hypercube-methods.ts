import { isInRange } from '../data/numeric-range.ts'
import { integerIn, type JsonObject, listIn, objectIn } from '../json-rpc/json-value.ts'
import type { RpcParameters } from '../json-rpc/rpc-parameters.ts'
import type { CubeRow } from '../objects/cube-column.ts'
import { fieldOfDimension } from '../objects/generic-object.ts'
import type { HyperCube } from '../objects/hypercube.ts'
import type { MethodContext, Methods, ObjectTarget } from './method.ts'
import { selectElements, selected, selectInRange } from './selecting.ts'

/** Methods of an object that read its hypercubes and select in them. */
export const hypercubeMethods: Methods<ObjectTarget> = {
  GetHyperCubeData: { parameters: ['qPath', 'qPages'], run: hyperCubeData },
  // Reduction is optional for the engine; results are small enough to be sent whole.
  GetHyperCubeReducedData: { parameters: ['qPath', 'qPages', 'qZoomFactor', 'qReductionMode'], run: hyperCubeData },
  SelectHyperCubeValues: {
    parameters: ['qPath', 'qDimNo', 'qValues', 'qToggleMode'],
    run(context, parameters, { object }) {
      const field = fieldOfDimension(object.hyperCube(parameters.text('qPath')), parameters.integer('qDimNo'))
      return selectElements(context, field, parameters.integers('qValues'), parameters.boolean('qToggleMode'))
    },
  },
  SelectHyperCubeCells: {
    parameters: ['qPath', 'qRowIndices', 'qColIndices', 'qSoftLock', 'qDeselectOnlyOneSelected'],
    run(context, parameters, { object }) {
      const cube = object.hyperCube(parameters.text('qPath'))
      const rows = parameters
        .integers('qRowIndices')
        .map(index => cube.rows[index])
        .filter(row => row !== undefined)
      const columns = parameters.integers('qColIndices').map(column => cube.columnOrder[column] ?? -1)
      return selectRows(context, cube, rows, columns)
    },
  },
  RangeSelectHyperCubeValues: {
    parameters: ['qPath', 'qRanges', 'qColumnsToSelect', 'qOrMode', 'qDeselectOnlyOneSelected'],
    run(context, parameters, { object }) {
      const cube = object.hyperCube(parameters.text('qPath'))
      const rows = rowsInRanges(cube, parameters.list('qRanges'), parameters.boolean('qOrMode'))
      const columns = parameters.list('qColumnsToSelect').map(column => integerIn(column, -1))
      return selectRows(context, cube, rows, columns)
    },
  },
  MultiRangeSelectHyperCubeValues: {
    parameters: ['qPath', 'qRanges', 'qOrMode', 'qDeselectOnlyOneSelected'],
    run(context, parameters, { object }) {
      const cube = object.hyperCube(parameters.text('qPath'))
      const parts = parameters.list('qRanges').map(objectIn)
      const rows = parts.flatMap(part => rowsInRanges(cube, listIn(part.qRanges), parameters.boolean('qOrMode')))
      const columns = [...new Set(parts.flatMap(part => listIn(part.qColumnsToSelect)))].map(column =>
        integerIn(column, -1),
      )
      return selectRows(context, cube, rows, columns)
    },
  },
  SelectHyperCubeContinuousRange: {
    parameters: ['qPath', 'qRanges', 'qSoftLock'],
    run(context, parameters, { object }) {
      const cube = object.hyperCube(parameters.text('qPath'))
      const success = parameters
        .list('qRanges')
        .map(objectIn)
        .map(range => {
          const field = fieldOfDimension(cube, integerIn(range.qDimIx, -1))
          return selectInRange(context, field, range.qRange)
        })
      return selected(context, success.length > 0 && success.every(Boolean))
    },
  },
}

function hyperCubeData(_context: MethodContext, parameters: RpcParameters, { object }: ObjectTarget): JsonObject {
  return { qDataPages: object.hyperCube(parameters.text('qPath')).pages(parameters.list('qPages')) }
}

function rowsInRanges(cube: HyperCube, ranges: readonly unknown[], orMode: boolean): readonly CubeRow[] {
  const tests = ranges.map(objectIn).map(range => {
    const isIn = isInRange(range.qRange)
    const measure = integerIn(range.qMeasureIx, -1)
    return (row: CubeRow) => isIn(row.measures[measure])
  })
  return cube.rows.filter(row => (orMode ? tests.some(test => test(row)) : tests.every(test => test(row))))
}

/** Selects the rows' values in each dimension column. */
function selectRows(
  context: MethodContext,
  cube: HyperCube,
  rows: readonly CubeRow[],
  columns: readonly number[],
): JsonObject {
  const dimensions = columns.filter(column => cube.fields[column])
  const success = dimensions.map(column => {
    const elements = [...new Set(rows.map(row => row.elements[column] ?? -1))]
    return context.session.selections.select(fieldOfDimension(cube, column), elements)
  })
  return selected(context, success.length > 0 && success.every(Boolean))
}
