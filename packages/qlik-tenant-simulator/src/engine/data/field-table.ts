import type { DataRow } from '../../apps/analytics-app.ts'

/** A distinct value of a field. Its index in `Field.values` is its element number. */
export interface FieldValue {
  readonly text: string
  /** NaN for text. */
  readonly number: number
}

/** A field with its values and the value of each row. */
export interface Field {
  readonly name: string
  /** Distinct values in load order. */
  readonly values: readonly FieldValue[]
  /** Element number per row; `nullElement` for null. */
  readonly elements: Int32Array
  readonly isNumeric: boolean
}

/** The data of an app: one table, stored by column. */
export interface FieldTable {
  readonly rowCount: number
  readonly fields: ReadonlyMap<string, Field>
  /** Finds a field by its case-sensitive name. */
  field(name: string): Field | undefined
}

/** The engine's element number of null. */
export const nullElement = -2

/** Loads rows into a table. */
export function fieldTable(rows: readonly DataRow[]): FieldTable {
  const names = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const fields = new Map(names.map(name => [name, loadField(name, rows)]))
  return { rowCount: rows.length, fields, field: name => fields.get(name) }
}

function loadField(name: string, rows: readonly DataRow[]): Field {
  const values: FieldValue[] = []
  const known = new Map<string | number, number>()
  const elements = Int32Array.from(rows, row => {
    const value = row[name] ?? null
    if (value === null) return nullElement
    const element = known.get(value) ?? values.length
    if (element === values.length) {
      known.set(value, element)
      values.push({ text: String(value), number: typeof value === 'number' ? value : Number.NaN })
    }
    return element
  })
  return { name, values, elements, isNumeric: values.length > 0 && values.every(value => !Number.isNaN(value.number)) }
}
