import type { Field } from '../data/field-table.ts'
import { searchValues } from '../data/value-search.ts'
import { type JsonObject, objectIn, textIn } from '../json-rpc/json-value.ts'
import type { RpcParameters } from '../json-rpc/rpc-parameters.ts'
import type { MethodContext, Methods } from './method.ts'
import { anyState, excluded, possible, selectByState, selectElements, selected } from './selecting.ts'

type FieldTarget = { readonly type: 'Field'; readonly field: Field }

/** Methods of a field handle (`Field`). */
export const fieldMethods: Methods<FieldTarget> = {
  GetCardinal: { parameters: [], run: (_context, _parameters, { field }) => ({ qReturn: field.values.length }) },
  GetAndMode: { parameters: [], run: () => ({ qReturn: false }) },
  GetNxProperties: { parameters: [], run: () => ({ qProperties: { qOneAndOnlyOne: false } }) },

  Clear: {
    parameters: [],
    run: (context, _parameters, { field }) => selected(context, context.session.selections.clear(field)),
  },
  ClearAllButThis: {
    parameters: ['qSoftLock'],
    run(context, _parameters, { field }) {
      context.session.selections.clearAll({ except: field })
      return selected(context, true)
    },
  },
  Select: {
    parameters: ['qMatch', 'qSoftLock', 'qExcludedValuesMode'],
    run: (context, parameters, { field }) => selectMatches(context, parameters, field, false),
  },
  ToggleSelect: {
    parameters: ['qMatch', 'qSoftLock', 'qExcludedValuesMode'],
    run: (context, parameters, { field }) => selectMatches(context, parameters, field, true),
  },
  SelectValues: {
    parameters: ['qFieldValues', 'qToggleMode', 'qSoftLock'],
    run(context, parameters, { field }) {
      const requested = parameters.list('qFieldValues').map(objectIn)
      const elements = field.values.flatMap((value, element) =>
        requested.some(item => means(item, value)) ? [element] : [],
      )
      return selectElements(context, field, elements, parameters.boolean('qToggleMode'))
    },
  },
  LowLevelSelect: {
    parameters: ['qValues', 'qToggleMode', 'qSoftLock'],
    run: (context, parameters, { field }) =>
      selectElements(context, field, parameters.integers('qValues'), parameters.boolean('qToggleMode')),
  },
  SelectAll: {
    parameters: ['qSoftLock'],
    run: (context, _parameters, { field }) => selectByState(context, field, anyState),
  },
  SelectPossible: {
    parameters: ['qSoftLock'],
    run: (context, _parameters, { field }) => selectByState(context, field, possible),
  },
  SelectAlternative: {
    parameters: ['qSoftLock'],
    run: (context, _parameters, { field }) => selectByState(context, field, ['A']),
  },
  SelectExcluded: {
    parameters: ['qSoftLock'],
    run: (context, _parameters, { field }) => selectByState(context, field, excluded),
  },
  Lock: {
    parameters: [],
    run: (context, _parameters, { field }) => selected(context, context.session.selections.setLock([field], true)),
  },
  Unlock: {
    parameters: [],
    run: (context, _parameters, { field }) => selected(context, context.session.selections.setLock([field], false)),
  },
}

function selectMatches(context: MethodContext, parameters: RpcParameters, field: Field, toggle: boolean): JsonObject {
  const match = parameters.text('qMatch')
  const exact = field.values.findIndex(value => value.text === match)
  const elements = exact >= 0 ? [exact] : searchValues(field, match)
  return elements.length === 0 ? { qReturn: false } : selectElements(context, field, elements, toggle)
}

function means(requested: JsonObject, value: Field['values'][number]): boolean {
  return requested.qIsNumeric === true ? requested.qNumber === value.number : textIn(requested.qText) === value.text
}
