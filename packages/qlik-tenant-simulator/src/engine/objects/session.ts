import { randomUUID } from 'node:crypto'
import type { AnalyticsApp } from '../../apps/analytics-app.ts'
import { evaluateExpression } from '../data/expression.ts'
import { type FieldTable, fieldTable } from '../data/field-table.ts'
import { type JsonObject, objectIn, textIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'
import { selectionHistory } from '../selections/selection-history.ts'
import { type GenericObject, genericObject, type ModalSelection, type ObjectContext } from './generic-object.ts'

/** An engine session: selections and objects, shared by all sockets of one user, app and identity. */
export interface Session extends ObjectContext {
  /** Finds an app object or a session object. */
  object(id: string): GenericObject | undefined
  /** Creates a session object. @throws RpcError 6 beyond 1000 objects */
  createObject(properties: JsonObject): GenericObject
  /** Removes a session object. @returns false for an app object and for an unknown id */
  destroyObject(id: string): boolean
  beginModal(object: GenericObject): void
  /** Ends the selection in progress; `accept: false` restores the selections from before it. */
  endModal(accept: boolean): void
  /** Restores the selections from before the selection in progress, which stays open. */
  resetModal(): void
  /** Evaluates an expression over the possible rows; null when it cannot be parsed. */
  evaluate(source: string): string | number | null
  /** Called on every change; one per socket. */
  readonly listeners: Set<() => void>
  /** Notifies all sockets that layouts may have changed. */
  changed(): void
}

/** Objects per session. */
const maximumObjects = 1000

/** Starts a session without selections. */
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

    evaluate: source => evaluateExpression(source, table, selections.association.possibleRows),

    changed() {
      for (const listener of listeners) listener()
    },
  }
  return session
}

/** Loaded once per app and shared by its sessions; tables are immutable. */
const tables = new WeakMap<AnalyticsApp, FieldTable>()

function tableOf(app: AnalyticsApp): FieldTable {
  const table = tables.get(app) ?? fieldTable(app.data())
  tables.set(app, table)
  return table
}
