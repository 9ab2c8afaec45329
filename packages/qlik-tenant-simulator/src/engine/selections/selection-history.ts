import type { Field, FieldTable } from '../data/field-table.ts'
import { type Association, associate, noSelections, type Selections } from './selection-state.ts'

/** The selections of one session, with their history. */
export interface SelectionHistory {
  readonly current: Selections
  readonly association: Association
  /** Increases with every change; caches depend on it. */
  readonly version: number
  readonly backCount: number
  readonly forwardCount: number
  /**
   * Replaces the selection of a field; with `toggle`, adds and removes values.
   *
   * @returns false for a locked field
   */
  select(field: Field, elements: Iterable<number>, options?: { readonly toggle?: boolean }): boolean
  /** Clears a field. @returns false for a locked field */
  clear(field: Field): boolean
  /** Clears all fields but `except`. Locked fields are cleared only with `locked`. */
  clearAll(options?: { readonly locked?: boolean; readonly except?: Field }): void
  /** Locks or unlocks fields. @returns false when one of them has no selection */
  setLock(fields: Iterable<Field>, locked: boolean): boolean
  /** Goes one step back. @returns false when there is none */
  back(): boolean
  /** Goes one step forward. @returns false when there is none */
  forward(): boolean
  /** Restores earlier selections and removes the steps since. */
  restore(selections: Selections): void
}

/** Maximum number of steps back. */
const maximumSteps = 100

/** Starts a history without selections. */
export function selectionHistory(table: FieldTable): SelectionHistory {
  let past: Selections[] = []
  let future: Selections[] = []
  let current = noSelections
  let association = associate(table, current)
  let version = 0

  const apply = (selections: Selections) => {
    current = selections
    association = associate(table, current)
    version++
  }
  const change = (selections: Selections) => {
    past = [...past.slice(1 - maximumSteps), current]
    future = []
    apply(selections)
  }
  const isLocked = (field: Field) => current.get(field.name)?.locked === true

  return {
    get current() {
      return current
    },
    get association() {
      return association
    },
    get version() {
      return version
    },
    get backCount() {
      return past.length
    },
    get forwardCount() {
      return future.length
    },

    select(field, elements, { toggle = false } = {}) {
      if (isLocked(field)) return false
      const known = [...elements].filter(
        element => Number.isInteger(element) && element >= 0 && element < field.values.length,
      )
      const selected = new Set(toggle ? current.get(field.name)?.elements : [])
      for (const element of known) {
        if (toggle && selected.has(element)) selected.delete(element)
        else selected.add(element)
      }
      change(withField(current, field.name, selected))
      return true
    },

    clear(field) {
      if (isLocked(field)) return false
      if (current.has(field.name)) change(withField(current, field.name, new Set()))
      return true
    },

    clearAll({ locked = false, except } = {}) {
      const kept = [...current].filter(([name, selection]) => name === except?.name || (selection.locked && !locked))
      if (kept.length < current.size) change(new Map(kept))
    },

    /** Locks or unlocks fields. @returns false when one of them has no selection */
    setLock(fields, locked) {
      const next = new Map(current)
      for (const field of fields) {
        const selection = next.get(field.name)
        if (!selection) return false
        next.set(field.name, { ...selection, locked })
      }
      change(next)
      return true
    },

    back() {
      const previous = past.pop()
      if (!previous) return false
      future.push(current)
      apply(previous)
      return true
    },

    forward() {
      const next = future.pop()
      if (!next) return false
      past.push(current)
      apply(next)
      return true
    },

    restore(selections) {
      const step = past.lastIndexOf(selections)
      if (step >= 0) past = past.slice(0, step)
      future = []
      apply(selections)
    },
  }
}

function withField(selections: Selections, name: string, elements: ReadonlySet<number>): Selections {
  const next = new Map(selections)
  next.delete(name)
  if (elements.size > 0) next.set(name, { elements, locked: false })
  return next
}
