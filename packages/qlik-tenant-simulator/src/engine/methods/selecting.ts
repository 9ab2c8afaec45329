import type { Field } from '../data/field-table.ts'
import { isInRange } from '../data/numeric-range.ts'
import type { JsonObject } from '../json-rpc/json-value.ts'
import type { ValueState } from '../selections/selection-state.ts'
import type { MethodContext } from './method.ts'

export const anyState: readonly ValueState[] = ['L', 'S', 'O', 'A', 'X', 'XS', 'XL']
export const possible: readonly ValueState[] = ['L', 'S', 'O']
export const excluded: readonly ValueState[] = ['A', 'X', 'XS', 'XL']

/** Selects the values of a field that are in one of the states. */
export function selectByState(context: MethodContext, field: Field, requested: readonly ValueState[]): JsonObject {
  const states = context.session.selections.association.states(field)
  return selectElements(
    context,
    field,
    states.flatMap((state, element) => (requested.includes(state) ? [element] : [])),
    false,
  )
}

/** Selects values by element number; with `toggle`, deselects those already selected. */
export function selectElements(
  context: MethodContext,
  field: Field,
  elements: readonly number[],
  toggle: boolean,
): JsonObject {
  return selected(context, context.session.selections.select(field, elements, { toggle }))
}

/** The response to a selection; a successful one notifies the session's sockets. */
export function selected({ session }: MethodContext, success: boolean): JsonObject {
  if (success) session.changed()
  return { qReturn: success, qSuccess: success }
}

/** Selects the values within `{ qMin, qMax }`. @returns false when the field is locked */
export function selectInRange(context: MethodContext, field: Field, range: unknown): boolean {
  const isIn = isInRange(range)
  return context.session.selections.select(
    field,
    field.values.flatMap((value, element) => (isIn(value.number) ? [element] : [])),
  )
}
