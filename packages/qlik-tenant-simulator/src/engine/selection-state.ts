import type { Field, FieldTable } from './field-table.ts'

/**
 * State of one value: locked, selected, optional (possible), alternative, excluded, selected or locked yet excluded by
 * other fields.
 */
export type ValueState = 'L' | 'S' | 'O' | 'A' | 'X' | 'XS' | 'XL'

/** What is selected in one field. */
export interface FieldSelection {
  readonly elements: ReadonlySet<number>
  readonly locked: boolean
}

/**
 * All selections at one moment. Never changed: a selection makes a new one, so history and modal sessions keep the old
 * ones.
 */
export type Selections = ReadonlyMap<string, FieldSelection>

/** What follows from selections: which rows are possible, and in which state each value is. */
export interface Association {
  readonly possibleRows: readonly number[]
  /** State per element number. */
  states(field: Field): readonly ValueState[]
}

export const noSelections: Selections = new Map()

/**
 * Derives rows and states from selections.
 *
 * A value is alternative when its own field's selection alone excludes it; therefore each row remembers whether exactly
 * one field rejects it, and which.
 */
export function associate(table: FieldTable, selections: Selections): Association {
  const rejectedBy = new Array<string | undefined>(table.rowCount)
  const rejections = new Uint8Array(table.rowCount)
  for (const [name, selection] of selections) {
    table.field(name)?.elements.forEach((element, row) => {
      if (selection.elements.has(element)) return
      rejectedBy[row] = name
      rejections[row] = Math.min(2, (rejections[row] ?? 0) + 1)
    })
  }

  const possibleRows: number[] = []
  for (let row = 0; row < table.rowCount; row++) if (rejections[row] === 0) possibleRows.push(row)

  const cache = new Map<string, readonly ValueState[]>()
  return {
    possibleRows,
    states(field) {
      const known = cache.get(field.name)
      if (known) return known
      const states = valueStates(
        field,
        selections.get(field.name),
        row => rejections[row] === 0 || (rejections[row] === 1 && rejectedBy[row] === field.name),
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
