import type { DataRow } from '../apps/analytics-app.ts'

/** One distinct value of a field; its position in `Field.values` is the engine's element number. */
export interface FieldValue {
  readonly text: string
  /** `NaN` for a text. */
  readonly number: number
}

export interface Field {
  readonly name: string
  /** Distinct values in load order. */
  readonly values: readonly FieldValue[]
  /** Element number of each row; `nullElement` where the row has no value. */
  readonly elements: Int32Array
  readonly isNumeric: boolean
}

/** The loaded data of an app: one table, stored by column, each column as element numbers. */
export interface FieldTable {
  readonly rowCount: number
  readonly fields: ReadonlyMap<string, Field>
  /** Finds a field by name, as expressions and definitions write it: case matters, as in Qlik. */
  field(name: string): Field | undefined
}

export const nullElement = -2

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
