import type { Field } from '../data/field-table.ts'
import { searchValues } from '../data/value-search.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import type { RpcParameters } from '../json-rpc/rpc-parameters.ts'
import type { GenericObject } from '../objects/generic-object.ts'
import type { Methods, ObjectTarget } from './method.ts'
import { anyState, excluded, possible, selectByState, selectElements, selected, selectInRange } from './selecting.ts'

/** Methods of an object that read its list objects, select in them and search them. */
export const listObjectMethods: Methods<ObjectTarget> = {
  GetListObjectData: {
    parameters: ['qPath', 'qPages'],
    run: (_context, parameters, { object }) => ({
      qDataPages: object.listObject(parameters.text('qPath')).pages(parameters.list('qPages')),
    }),
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

/** The field of the list object at `qPath`. @throws RpcError 2 when the list object has no field */
export function listField(object: GenericObject, parameters: RpcParameters): Field {
  const { field } = object.listObject(parameters.text('qPath'))
  if (!field) throw new RpcError('notFound', 'qPath')
  return field
}
