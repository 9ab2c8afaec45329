import type { Field, FieldTable } from '../data/field-table.ts'

/** State of a value: locked, selected, optional, alternative, excluded, selected excluded, locked excluded. */
export type ValueState = 'L' | 'S' | 'O' | 'A' | 'X' | 'XS' | 'XL'

/** The selection in one field. */
export interface FieldSelection {
  readonly elements: ReadonlySet<number>
  readonly locked: boolean
}

/** The selections by field name. Immutable: the history and modal selections keep earlier ones. */
export type Selections = ReadonlyMap<string, FieldSelection>

/** Possible rows and value states under the selections. */
export interface Association {
  readonly possibleRows: readonly number[]
  /** The state per element number. */
  states(field: Field): readonly ValueState[]
}

/** No selection in any field. */
export const noSelections: Selections = new Map()

/**
 * Computes possible rows and value states.
 *
 * A value is alternative when only the selection in its own field excludes it. Therefore rows excluded by exactly one
 * field are tracked with that field.
 */
export function associate(table: FieldTable, selections: Selections): Association {
  const excludedBy = new Array<string | undefined>(table.rowCount)
  const exclusions = new Uint8Array(table.rowCount)
  for (const [name, selection] of selections) {
    table.field(name)?.elements.forEach((element, row) => {
      if (selection.elements.has(element)) return
      excludedBy[row] = name
      exclusions[row] = Math.min(2, (exclusions[row] ?? 0) + 1)
    })
  }

  const possibleRows: number[] = []
  for (let row = 0; row < table.rowCount; row++) if (exclusions[row] === 0) possibleRows.push(row)

  const cache = new Map<string, readonly ValueState[]>()
  return {
    possibleRows,
    states(field) {
      const known = cache.get(field.name)
      if (known) return known
      const states = valueStates(
        field,
        selections.get(field.name),
        row => exclusions[row] === 0 || (exclusions[row] === 1 && excludedBy[row] === field.name),
      )
      cache.set(field.name, states)
      return states
    },
  }
}

function valueStates(
  field: Field,
  selection: FieldSelection | undefined,
  allowedByOthers: (row: number) => boolean,
): readonly ValueState[] {
  const possible = new Uint8Array(field.values.length)
  field.elements.forEach((element, row) => {
    if (element >= 0 && allowedByOthers(row)) possible[element] = 1
  })
  return field.values.map((_, element) => {
    const isPossible = possible[element] === 1
    if (!selection) return isPossible ? 'O' : 'X'
    if (!selection.elements.has(element)) return isPossible && !selection.locked ? 'A' : 'X'
    if (selection.locked) return isPossible ? 'L' : 'XL'
    return isPossible ? 'S' : 'XS'
  })
}

/** `qStateCounts`. */
export interface StateCounts {
  readonly qLocked: number
  readonly qSelected: number
  readonly qOption: number
  readonly qDeselected: number
  readonly qAlternative: number
  readonly qExcluded: number
  readonly qSelectedExcluded: number
  readonly qLockedExcluded: number
}

/** Counts values by state. */
export function countStates(states: readonly ValueState[]): StateCounts {
  const count = (state: ValueState) => states.reduce((sum, other) => sum + (other === state ? 1 : 0), 0)
  return {
    qLocked: count('L'),
    qSelected: count('S'),
    qOption: count('O'),
    qDeselected: 0,
    qAlternative: count('A'),
    qExcluded: count('X'),
    qSelectedExcluded: count('XS'),
    qLockedExcluded: count('XL'),
  }
}
