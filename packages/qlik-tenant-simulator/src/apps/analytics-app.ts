/**
 * Properties of an app object as the engine protocol knows them: `qInfo`, definitions and whatever the chart keeps
 * there.
 */
export interface ObjectProperties {
  readonly qInfo: { readonly qId: string; readonly qType: string }
  readonly [name: string]: unknown
}

/** One row of an app's data: field name to value; `null` and missing fields are nulls in the engine's sense. */
export type DataRow = Readonly<Record<string, string | number | null>>

/** An app of the simulated tenant: what REST lists and what the engine opens. */
export interface AnalyticsApp {
  /** A GUID, as Qlik Cloud gives to apps. */
  readonly id: string
  readonly name: string
  readonly description: string
  /** The shared space it lies in; a personal app of its owner when missing. */
  readonly spaceId?: 'space-analytics' | 'space-finance'
  readonly ownerId: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly updatedAt: string
  /** Title and identifier of each sheet, in order. */
  readonly sheets: readonly { readonly id: string; readonly title: string }[]
  /** Everything that `GetObject` knows, sheets included. */
  readonly objects: readonly ObjectProperties[]
  /** Reads the data; called by the engine when the app is opened for the first time. */
  readonly data: () => readonly DataRow[]
}
