import { anyState, excluded, possible, selectByState, selectElements, selected } from './field-methods.ts'
import type { Field } from './field-table.ts'
import { fieldOfDimension, type GenericObject } from './generic-object.ts'
import type { CubeRow, HyperCube } from './hypercube.ts'
import { integerIn, type JsonObject, listIn, objectIn } from './json-value.ts'
import { isInRange } from './numeric-range.ts'
import { patched } from './properties-patch.ts'
import { RpcError } from './rpc-error.ts'
import { type MethodContext, type Methods, nothing } from './rpc-method.ts'
import type { RpcParameters } from './rpc-parameters.ts'
import { searchValues } from './value-search.ts'

type ObjectTarget = { readonly type: 'GenericObject'; readonly object: GenericObject }

/** Methods of an app object or session object. */
export const objectMethods: Methods<ObjectTarget> = {
  GetLayout: { parameters: [], run: (_context, _parameters, { object }) => ({ qLayout: object.layout() }) },
  GetProperties: { parameters: [], run: (_context, _parameters, { object }) => ({ qProp: object.storedProperties }) },
  GetEffectiveProperties: {
    parameters: [],
    run: (_context, _parameters, { object }) => ({ qProp: object.properties }),
  },
  GetInfo: { parameters: [], run: (_context, _parameters, { object }) => ({ qInfo: object.properties.qInfo }) },
  GetFullPropertyTree: {
    parameters: [],
    run: ({ session }, _parameters, { object }) => ({
      qPropEntry: { qProperty: object.properties, qChildren: children(session, object) },
    }),
  },
  GetChildInfos: {
    parameters: [],
    run: (_context, _parameters, { object }) => ({ qInfos: listIn(object.properties.qChildren) }),
  },
  GetChild: {
    parameters: ['qId'],
    run({ session, reference }, parameters) {
      const child = session.object(parameters.text('qId'))
      return child ? reference({ type: 'GenericObject', object: child }) : nothing
    },
  },
  GetParent: { parameters: [], run: () => nothing },
  GetLinkedObjects: { parameters: [], run: () => ({ qItems: [] }) },
  SetProperties: {
    parameters: ['qProp'],
    run: ({ session }, parameters, { object }) => changeProperties(session, object, parameters.object('qProp')),
  },
  ApplyPatches: {
    parameters: ['qPatches', 'qSoftPatch'],
    run({ session }, parameters, { object }) {
      const isSoft = parameters.boolean('qSoftPatch')
      return changeProperties(session, object, patched(object.properties, parameters.list('qPatches')), isSoft)
    },
  },
  ClearSoftPatches: {
    parameters: [],
    run: ({ session }, _parameters, { object }) => changeProperties(session, object, object.storedProperties, true),
  },

  GetHyperCubeData: { parameters: ['qPath', 'qPages'], run: hyperCubeData },
  // The reduction is a hint that large results may be thinned out; results here are small enough to go whole.
  GetHyperCubeReducedData: { parameters: ['qPath', 'qPages', 'qZoomFactor', 'qReductionMode'], run: hyperCubeData },
  GetListObjectData: {
    parameters: ['qPath', 'qPages'],
    run: (_context, parameters, { object }) => ({
      qDataPages: object.listObject(parameters.text('qPath')).pages(parameters.list('qPages')),
    }),
  },

  BeginSelections: {
    parameters: ['qPaths'],
    run({ session }, _parameters, { object }) {
      session.endModal(true)
      session.beginModal(object)
      session.changed()
      return {}
    },
  },
  EndSelections: {
    parameters: ['qAccept'],
    run({ session }, parameters, { object }) {
      if (session.modal?.object === object) session.endModal(parameters.boolean('qAccept'))
      session.changed()
      return {}
    },
  },
  ResetMadeSelections: {
    parameters: [],
    run({ session }, _parameters, { object }) {
      if (session.modal?.object === object) session.resetModal()
      session.changed()
      return {}
    },
  },
  ClearSelections: {
    parameters: ['qPath', 'qColIndices'],
    run(context, parameters, { object }) {
      for (const field of fieldsAt(object, parameters)) context.session.selections.clear(field)
      return selected(context, true)
    },
  },
  Lock: {
    parameters: ['qPath', 'qColIndices'],
    run: (context, parameters, { object }) => lock(context, parameters, object, true),
  },
  Unlock: {
    parameters: ['qPath', 'qColIndices'],
    run: (context, parameters, { object }) => lock(context, parameters, object, false),
  },

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

  SelectListObjectValues: {
    parameters: ['qPath', 'qValues', 'qToggleMode', 'qSoftLock'],
    run: (context, parameters, { object }) =>
      selectElements(
        context,
        listField(object, parameters),
        parameters.integers('qValues'),
        parameters.boolean('qToggleMode'),
      ),
  },
  SelectListObjectAll: {
    parameters: ['qPath', 'qSoftLock'],
    run: (context, parameters, { object }) => selectByState(context, listField(object, parameters), anyState),
  },
  SelectListObjectPossible: {
    parameters: ['qPath', 'qSoftLock'],
    run: (context, parameters, { object }) => selectByState(context, listField(object, parameters), possible),
  },
  SelectListObjectAlternative: {
    parameters: ['qPath', 'qSoftLock'],
    run: (context, parameters, { object }) => selectByState(context, listField(object, parameters), ['A']),
  },
  SelectListObjectExcluded: {
    parameters: ['qPath', 'qSoftLock'],
    run: (context, parameters, { object }) => selectByState(context, listField(object, parameters), excluded),
  },
  SelectListObjectContinuousRange: {
    parameters: ['qPath', 'qRanges', 'qSoftLock'],
    run: (context, parameters, { object }) =>
      selected(
        context,
        parameters.list('qRanges').every(range => selectInRange(context, listField(object, parameters), range)),
      ),
  },
  SearchListObjectFor: {
    parameters: ['qPath', 'qMatch'],
    run({ session }, parameters, { object }) {
      listField(object, parameters)
      object.searches.set(parameters.text('qPath'), parameters.text('qMatch'))
      session.changed()
      return { qSuccess: true }
    },
  },
  AbortListObjectSearch: {
    parameters: ['qPath'],
    run({ session }, parameters, { object }) {
      object.searches.delete(parameters.text('qPath'))
      session.changed()
      return {}
    },
  },
  AcceptListObjectSearch: {
    parameters: ['qPath', 'qToggleMode', 'qSoftLock'],
    run(context, parameters, { object }) {
      const field = listField(object, parameters)
      const search = object.searches.get(parameters.text('qPath'))
      object.searches.delete(parameters.text('qPath'))
      return search
        ? selectElements(context, field, searchValues(field, search), parameters.boolean('qToggleMode'))
        : {}
    },
  },
}

function hyperCubeData(_context: MethodContext, parameters: RpcParameters, { object }: ObjectTarget): JsonObject {
  return { qDataPages: object.hyperCube(parameters.text('qPath')).pages(parameters.list('qPages')) }
}

/**
 * Session objects can be changed; app objects only softly, which is what this session sees. Either keeps its identity.
 */
function changeProperties(
  session: MethodContext['session'],
  object: GenericObject,
  properties: JsonObject,
  isSoft = false,
): JsonObject {
  if (!object.isSessionObject && !isSoft) throw new RpcError('accessDenied')
  object.properties = { ...properties, qInfo: object.properties.qInfo }
  if (!isSoft) object.storedProperties = object.properties
  session.changed()
  return {}
}

function children(session: MethodContext['session'], object: GenericObject): readonly JsonObject[] {
  return listIn(object.properties.qChildren).flatMap(info => {
    const child = session.app.objects.find(item => item.qInfo.qId === objectIn(info).qId)
    return child ? [{ qProperty: child, qChildren: [] }] : []
  })
}

function listField(object: GenericObject, parameters: RpcParameters): Field {
  const { field } = object.listObject(parameters.text('qPath'))
  if (!field) throw new RpcError('notFound', 'qPath')
  return field
}

/** The fields a path and columns name; all columns when none are given. */
function fieldsAt(object: GenericObject, parameters: RpcParameters): readonly Field[] {
  if (parameters.text('qPath').endsWith('/qListObjectDef')) return [listField(object, parameters)]
  const { fields } = object.hyperCube(parameters.text('qPath'))
  const columns = parameters.list('qColIndices', [])
  return fields
    .filter((field, column) => field && (columns.length === 0 || columns.includes(column)))
    .filter(field => field !== undefined)
}

function lock(context: MethodContext, parameters: RpcParameters, object: GenericObject, locked: boolean): JsonObject {
  return selected(context, context.session.selections.setLock(fieldsAt(object, parameters), locked))
}

function rowsInRanges(cube: HyperCube, ranges: readonly unknown[], orMode: boolean): readonly CubeRow[] {
  const tests = ranges.map(objectIn).map(range => {
    const isIn = isInRange(range.qRange)
    const measure = integerIn(range.qMeasureIx, -1)
    return (row: CubeRow) => isIn(row.measures[measure])
  })
  return cube.rows.filter(row => (orMode ? tests.some(test => test(row)) : tests.every(test => test(row))))
}

/** Selects in each dimension column the values that the rows hold. */
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

function selectInRange(context: MethodContext, field: Field, range: unknown): boolean {
  const isIn = isInRange(range)
  return context.session.selections.select(
    field,
    field.values.flatMap((value, element) => (isIn(value.number) ? [element] : [])),
  )
}
