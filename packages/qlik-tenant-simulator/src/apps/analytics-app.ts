/** Properties of an app object in the engine protocol: `qInfo`, definitions and properties of the chart. */
export interface ObjectProperties {
  readonly qInfo: { readonly qId: string; readonly qType: string }
  readonly [name: string]: unknown
}

/** A row of an app's data: values by field name. A missing field is null. */
export type DataRow = Readonly<Record<string, string | number | null>>

/** An app: the REST API lists it and the engine opens it. */
export interface AnalyticsApp {
  /** A GUID. */
  readonly id: string
  readonly name: string
  readonly description: string
  /** The space of the app. @default a personal app of the owner */
  readonly spaceId?: 'space-analytics' | 'space-finance'
  readonly ownerId: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly updatedAt: string
  /** The sheets, in order. */
  readonly sheets: readonly { readonly id: string; readonly title: string }[]
  /** All objects of the app, including sheets. */
  readonly objects: readonly ObjectProperties[]
  /** Returns the data. The engine calls it when the app is first opened. */
  readonly data: () => readonly DataRow[]
}
