import type { Field } from './field-table.ts'
import { type JsonObject, objectIn, textIn } from './json-value.ts'
import type { MethodContext, Methods } from './rpc-method.ts'
import type { RpcParameters } from './rpc-parameters.ts'
import type { ValueState } from './selection-state.ts'
import { searchValues } from './value-search.ts'

type FieldTarget = { readonly type: 'Field'; readonly field: Field }

/** Methods of one field. */
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
      const wanted = parameters.list('qFieldValues').map(objectIn)
      const elements = field.values.flatMap((value, element) =>
        wanted.some(item => means(item, value)) ? [element] : [],
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

export const anyState: readonly ValueState[] = ['L', 'S', 'O', 'A', 'X', 'XS', 'XL']
export const possible: readonly ValueState[] = ['L', 'S', 'O']
export const excluded: readonly ValueState[] = ['A', 'X', 'XS', 'XL']

/** Selects the values that are in one of the states. */
export function selectByState(context: MethodContext, field: Field, wanted: readonly ValueState[]): JsonObject {
  const states = context.session.selections.association.states(field)
  return selectElements(
    context,
    field,
    states.flatMap((state, element) => (wanted.includes(state) ? [element] : [])),
    false,
  )
}

export function selectElements(
  context: MethodContext,
  field: Field,
  elements: readonly number[],
  toggle: boolean,
): JsonObject {
  return selected(context, context.session.selections.select(field, elements, { toggle }))
}

/** The reply to a selection; every object may look different now. */
export function selected({ session }: MethodContext, success: boolean): JsonObject {
  if (success) session.changed()
  return { qReturn: success, qSuccess: success }
}

function selectMatches(context: MethodContext, parameters: RpcParameters, field: Field, toggle: boolean): JsonObject {
  const match = parameters.text('qMatch')
  const exact = field.values.findIndex(value => value.text === match)
  const elements = exact >= 0 ? [exact] : searchValues(field, match)
  return elements.length === 0 ? { qReturn: false } : selectElements(context, field, elements, toggle)
}

function means(wanted: JsonObject, value: Field['values'][number]): boolean {
  return wanted.qIsNumeric === true ? wanted.qNumber === value.number : textIn(wanted.qText) === value.text
}
