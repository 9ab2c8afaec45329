import type { Field } from '../data/field-table.ts'
import { type JsonObject, listIn, objectIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import type { RpcParameters } from '../json-rpc/rpc-parameters.ts'
import type { GenericObject } from '../objects/generic-object.ts'
import { patched } from '../objects/properties-patch.ts'
import { hypercubeMethods } from './hypercube-methods.ts'
import { listField, listObjectMethods } from './list-object-methods.ts'
import { type MethodContext, type Methods, nothing, type ObjectTarget } from './method.ts'
import { selected } from './selecting.ts'

/** Methods of an object handle (`GenericObject`). */
export const objectMethods: Methods<ObjectTarget> = {
  ...hypercubeMethods,
  ...listObjectMethods,

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
}

/**
 * Changes the properties of a session object. On app objects only soft patches are allowed, which this session alone
 * sees. `qInfo` never changes.
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

/** The fields of the columns in `qColIndices`; of all columns when it is empty. */
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
