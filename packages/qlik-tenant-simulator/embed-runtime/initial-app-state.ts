import { type AppOpenCallback, onAppOpen } from './app-session.ts'

interface InitialSelection {
  readonly field?: unknown
  readonly values?: unknown
}

/** Calls back with each app that is opened. @returns a function that removes the callback */
export function addOnAppOpenCallback(callback: AppOpenCallback): () => void {
  return onAppOpen(callback)
}

/** Selects values when an app is opened (`<qlik-initial-selections>`). */
export function setInitialAppState(state: {
  readonly appId?: string
  readonly selections?: readonly InitialSelection[]
}): void {
  onAppOpen(async (app, appId) => {
    if (state.appId && state.appId !== appId) return
    for (const { field, values } of state.selections ?? []) {
      if (typeof field !== 'string' || !Array.isArray(values)) continue
      const model = await app.getField(field)
      await model.selectValues(
        values.map(value => ({ qText: String(value), qIsNumeric: typeof value === 'number', qNumber: value })),
      )
    }
  })
}
