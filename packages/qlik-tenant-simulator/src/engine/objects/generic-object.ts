import type { AnalyticsApp } from '../../apps/analytics-app.ts'
import { evaluateExpression } from '../data/expression.ts'
import type { Field, FieldTable } from '../data/field-table.ts'
import { isObject, type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import type { SelectionHistory } from '../selections/selection-history.ts'
import { associate, countStates, type Selections } from '../selections/selection-state.ts'
import { type CubeContext, fieldTags } from './cube-column.ts'
import { type HyperCube, hyperCube } from './hypercube.ts'
import { type ListObject, listObject } from './list-object.ts'

/** An app object or a session object, as one session sees it. */
export interface GenericObject {
  readonly id: string
  readonly type: string
  /** Session objects can be changed; app objects are read-only. */
  readonly isSessionObject: boolean
  properties: JsonObject
  /** `properties` without soft patches. */
  storedProperties: JsonObject
  /** Search text of each list object, by its path. */
  readonly searches: Map<string, string>
  /** The object's current layout (`GetLayout`). */
  layout(): JsonObject
  /** @throws RpcError -32602 when `path` names no `qHyperCubeDef` */
  hyperCube(path: string): HyperCube
  /** @throws RpcError -32602 when `path` names no `qListObjectDef` */
  listObject(path: string): ListObject
}

/** What an object is computed from. A session provides it. */
export interface ObjectContext {
  readonly app: AnalyticsApp
  readonly table: FieldTable
  readonly selections: SelectionHistory
  /** Increases with every change that layouts depend on. */
  readonly version: number
  /** The selection in progress, between `BeginSelections` and `EndSelections`. */
  readonly modal: ModalSelection | undefined
}

/** A selection in progress in one object. */
export interface ModalSelection {
  readonly object: GenericObject
  /** The selections when it began. */
  readonly before: Selections
  hasSelected(): boolean
}

/** Creates an object from its properties. Layouts are computed on demand from `session`. */
export function genericObject(session: ObjectContext, properties: JsonObject, isSessionObject: boolean): GenericObject {
  const info = objectIn(properties.qInfo)
  const searches = new Map<string, string>()
  const cache = new Map<string, { readonly version: number; readonly of: JsonObject; readonly cube: HyperCube }>()

  const object: GenericObject = {
    id: textIn(info.qId),
    type: textIn(info.qType),
    isSessionObject,
    properties,
    storedProperties: properties,
    searches,

    hyperCube(path) {
      const definition = definitionAt(object.properties, path, 'qHyperCubeDef')
      const known = cache.get(path)
      const version = session.version
      if (known?.version === version && known.of === definition) return known.cube
      const cube = hyperCube(definition, cubeContext(session, object))
      cache.set(path, { version, of: definition, cube })
      return cube
    },

    listObject: path =>
      listObject(definitionAt(object.properties, path, 'qListObjectDef'), cubeContext(session), searches.get(path)),

    layout: () => ({
      ...objectIn(resultOf(object, session, object.properties, '')),
      qInfo: object.properties.qInfo,
      qMeta: { privileges: ['read'], ...objectIn(object.properties.qMetaDef) },
      qSelectionInfo:
        session.modal?.object === object ? { qInSelections: true, qMadeSelections: session.modal.hasSelected() } : {},
    }),
  }
  return object
}

/**
 * During a modal selection the selecting object keeps the rows it had when the selection began, so that values can be
 * added and removed; only its value states change. All other objects are filtered at once.
 */
function cubeContext(session: ObjectContext, object?: GenericObject): CubeContext {
  const { table, selections } = session
  const frozen = object && session.modal?.object === object ? session.modal.before : undefined
  return {
    table,
    rows: frozen ? associate(table, frozen).possibleRows : selections.association.possibleRows,
    states: selections.association.states,
  }
}

/** Replaces each definition (`q...Def`) in the properties by its result and copies everything else. */
function resultOf(object: GenericObject, session: ObjectContext, value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((item, index) => resultOf(object, session, item, `${path}/${index}`))
  if (!isObject(value)) return value
  const evaluated = evaluatedText(session, value)
  if (evaluated !== undefined) return evaluated

  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const result = isObject(member) && Object.hasOwn(results, name) ? results[name] : undefined
      if (!result) return [name, resultOf(object, session, member, `${path}/${name}`)]
      return [name.slice(0, -'Def'.length), result(object, session, objectIn(member), `${path}/${name}`)]
    }),
  )
}

type Result = (object: GenericObject, session: ObjectContext, definition: JsonObject, path: string) => JsonObject

const results: Readonly<Record<string, Result>> = {
  qHyperCubeDef(object, _session, definition, path) {
    const cube = object.hyperCube(path)
    return { ...cube.header, qDataPages: cube.pages(listIn(definition.qInitialDataFetch)) }
  },
  qListObjectDef(object, _session, definition, path) {
    const list = object.listObject(path)
    return { ...list.header, qDataPages: list.pages(listIn(definition.qInitialDataFetch)) }
  },
  qSelectionObjectDef: (_object, session) => ({
    qBackCount: session.selections.backCount,
    qForwardCount: session.selections.forwardCount,
    qSelections: currentSelections(session, session.selections.current),
  }),
  qFieldListDef: (_object, { table }) => ({
    qItems: [...table.fields.values()].map(field => ({
      qName: field.name,
      qCardinal: field.values.length,
      qTags: fieldTags(field),
      qSrcTables: ['Data'],
    })),
  }),
  qAppObjectListDef: (_object, session, definition) => ({
    qItems: session.app.objects
      .filter(item => item.qInfo.qType === definition.qType)
      .map(item => ({ qInfo: item.qInfo, qMeta: objectIn(item.qMetaDef), qData: listData(item, definition) })),
  }),
  qChildListDef: object => ({
    qItems: listIn(object.properties.qChildren).map(child => ({ qInfo: child, qData: {} })),
  }),
  qDimensionListDef: () => ({ qItems: [] }),
  qMeasureListDef: () => ({ qItems: [] }),
  qVariableListDef: () => ({ qItems: [] }),
  qBookmarkListDef: () => ({ qItems: [] }),
  qMediaListDef: () => ({ qItems: [] }),
}

/** `qData: { title: '/qMetaDef/title' }` adds that member of each listed object. */
function listData(item: JsonObject, definition: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(objectIn(definition.qData)).map(([name, path]) => [name, memberAt(item, textIn(path)) ?? null]),
  )
}

function currentSelections({ table, selections }: ObjectContext, current: Selections): readonly JsonObject[] {
  return [...current].flatMap(([name, selection], index) => {
    const field = table.field(name)
    if (!field) return []
    const texts = [...selection.elements].map(element => field.values[element]?.text ?? '')
    return [
      {
        qTotal: field.values.length,
        qIsNum: field.isNumeric,
        qField: name,
        qReadableName: name,
        qLocked: selection.locked,
        qOneAndOnlyOne: false,
        qTextSearch: '',
        qSelectedCount: texts.length,
        qSelected: texts.length <= namedValues ? texts.join(', ') : `${texts.length} of ${field.values.length}`,
        qRangeInfo: [],
        qSortIndex: index,
        qStateCounts: countStates(selections.association.states(field)),
        qSelectedFieldSelectionInfo: texts
          .slice(0, namedValues)
          .map(qName => ({ qName, qRangeLo: 'NaN', qRangeHi: 'NaN' })),
        qNotSelectedFieldSelectionInfo: [],
        qSelectionThreshold: namedValues,
      },
    ]
  })
}

/** Up to this many selected values are listed by name; above, `qSelected` is "7 of 62". */
const namedValues = 6

/** The value of `{ qStringExpression: '=...' }` or `{ qValueExpression: ... }`; undefined for other objects. */
function evaluatedText(session: ObjectContext, value: JsonObject): string | number | undefined {
  const definition = value.qStringExpression ?? value.qValueExpression
  if (definition === undefined) return undefined
  const source = textIn(isObject(definition) ? definition.qExpr : definition)
  const result = evaluateExpression(source, session.table, session.selections.association.possibleRows)
  return value.qStringExpression === undefined ? (typeof result === 'number' ? result : 'NaN') : String(result ?? '')
}

/** The definition at a path such as `/qHyperCubeDef`. @throws RpcError -32602 */
function definitionAt(properties: JsonObject, path: string, kind: string): JsonObject {
  const definition = path.endsWith(`/${kind}`) ? memberAt(properties, path) : undefined
  if (!isObject(definition))
    throw new RpcError('parameters', 'qPath', `No ${kind} at ${JSON.stringify(path.slice(0, 100))}`)
  return definition
}

function memberAt(value: unknown, path: string): unknown {
  return path
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (parent, name) =>
        typeof parent === 'object' && parent !== null && Object.hasOwn(parent, name)
          ? (parent as JsonObject)[name]
          : undefined,
      value,
    )
}

/** The field of a dimension. @throws RpcError -32602 for an unknown dimension */
export function fieldOfDimension(cube: HyperCube, dimension: number): Field {
  const field = cube.fields[dimension]
  if (!field) throw new RpcError('parameters', 'qDimNo', 'No such dimension')
  return field
}
