/** How an app is laid out on its page. */
export interface Dashboard {
  readonly filters: readonly { readonly title: string; readonly field: string }[]
  readonly tiles: readonly {
    readonly title: string
    readonly objectId: string
    readonly kind: 'kpi' | 'half' | 'third' | 'two-thirds' | 'wide'
  }[]
}

/** Apps with a page of their own, by id; every other app is shown sheet by sheet. Put yours here. */
export const dashboards: ReadonlyMap<string, Dashboard> = new Map()
