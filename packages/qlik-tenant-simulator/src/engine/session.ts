import { randomUUID } from 'node:crypto'
import type { AnalyticsApp } from '../apps/analytics-app.ts'
import { type FieldTable, fieldTable } from './field-table.ts'
import { evaluateSafely, type GenericObject, genericObject } from './generic-object.ts'
import { type JsonObject, objectIn, textIn } from './json-value.ts'
import { RpcError } from './rpc-error.ts'
import { type SelectionHistory, selectionHistory } from './selection-history.ts'
import type { Selections } from './selection-state.ts'

/** What one user has open in one app: selections and objects, shared by all sockets of that user, app and identity. */
export interface Session {
  readonly app: AnalyticsApp
  readonly table: FieldTable
  readonly selections: SelectionHistory
  /** Grows with everything that results depend on. */
  readonly version: number
  /** The object whose values are being selected right now, if any. */
  readonly modal: ModalSelection | undefined
  object(id: string): GenericObject | undefined
  createObject(properties: JsonObject): GenericObject
  destroyObject(id: string): boolean
  beginModal(object: GenericObject): void
  /** Keeps what was selected, or goes back to before. */
  endModal(accept: boolean): void
  /** Takes back what was selected in the modal selection, and stays in it. */
  resetModal(): void
  evaluate(source: string): string | number | null
  /** Sockets that want to hear about changes. */
  readonly listeners: Set<() => void>
  /** Tells every socket that results may differ now. */
  changed(): void
}

export interface ModalSelection {
  readonly object: GenericObject
  readonly before: Selections
  hasSelected(): boolean
}

/** Objects that one session may hold. */
const maximumObjects = 1000

export function createSession(app: AnalyticsApp): Session {
  const table = tableOf(app)
  const selections = selectionHistory(table)
  const listeners = new Set<() => void>()
  const objects = new Map<string, GenericObject>()
  let modal: ModalSelection | undefined
  let modalChanges = 0

  const session: Session = {
    app,
    table,
    selections,
    listeners,
    get version() {
      return selections.version + modalChanges
    },
    get modal() {
      return modal
    },

    object(id) {
      const known = objects.get(id)
      if (known) return known
      const stored = app.objects.find(object => object.qInfo.qId === id)
      if (!stored) return undefined
      const object = genericObject(session, stored, false)
      objects.set(id, object)
      return object
    },

    createObject(properties) {
      const info = objectIn(properties.qInfo)
      const id = textIn(info.qId) || randomUUID()
      if (session.object(id)) return session.createObject({ ...properties, qInfo: { ...info, qId: randomUUID() } })
      if (objects.size >= maximumObjects) throw new RpcError('limit')
      const object = genericObject(session, { ...properties, qInfo: { ...info, qId: id } }, true)
      objects.set(id, object)
      return object
    },

    destroyObject(id) {
      const object = objects.get(id)
      if (!object?.isSessionObject) return false
      if (modal?.object === object) session.endModal(true)
      return objects.delete(id)
    },

    beginModal(object) {
      const before = selections.current
      modal = { object, before, hasSelected: () => selections.current !== before }
      modalChanges++
    },

    endModal(accept) {
      if (modal && !accept) selections.restore(modal.before)
      modal = undefined
      modalChanges++
    },

    resetModal() {
      if (modal) selections.restore(modal.before)
    },

    evaluate: source => evaluateSafely(source, session),

    changed() {
      for (const listener of listeners) listener()
    },
  }
  return session
}

/** Tables are loaded once and shared by all sessions of an app; they never change. */
const tables = new WeakMap<AnalyticsApp, FieldTable>()

function tableOf(app: AnalyticsApp): FieldTable {
  const table = tables.get(app) ?? fieldTable(app.data())
  tables.set(app, table)
  return table
}
