/** The layout of an app's page. */
export interface Dashboard {
  readonly filters: readonly { readonly title: string; readonly field: string }[]
  readonly tiles: readonly Tile[]
}

/** A chart of the app, by its id, or one created on the fly from expressions. */
export interface Tile {
  readonly title: string
  readonly size: 'number' | 'third' | 'half' | 'two-thirds' | 'whole'
  readonly chart: { readonly objectId: string } | { readonly type: string; readonly measures: readonly object[] }
}

/** Layouts by app id. Apps without one are shown sheet by sheet. Add yours here. */
export const dashboards: ReadonlyMap<string, Dashboard> = new Map([
  [
    // Gapminder, in the simulated tenant.
    '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955',
    {
      filters: [
        { title: 'Region', field: 'region' },
        { title: 'Country', field: 'country' },
        { title: 'Year', field: 'year' },
      ],
      tiles: [
        { title: 'Population', size: 'number', chart: { objectId: 'kpi-population' } },
        { title: 'Life expectancy', size: 'number', chart: numberOf('Life expectancy (years)', '=Avg(life_expect)') },
        { title: 'Children per woman', size: 'number', chart: numberOf('Children per woman', '=Avg(fertility)') },
        { title: 'Life expectancy by region', size: 'half', chart: { objectId: 'bar-life-expectancy' } },
        { title: 'Population over the years', size: 'half', chart: { objectId: 'line-population' } },
        { title: 'Share of the population', size: 'third', chart: { objectId: 'pie-population' } },
        { title: 'Fertility and life expectancy', size: 'two-thirds', chart: { objectId: 'scatter-wealth' } },
        { title: 'Countries', size: 'whole', chart: { objectId: 'table-countries' } },
      ],
    },
  ],
])

/**
 * The app of a public page: the query parameter `app`, or the first app with a layout.
 *
 * @returns `undefined` when `query` is not an app id.
 */
export function appInQuery(query: unknown): string | undefined {
  if (query !== undefined) return typeof query === 'string' && /^[\w-]{1,64}$/.test(query) ? query : undefined
  const [first] = dashboards.keys()
  return first
}

function numberOf(label: string, expression: string): Tile['chart'] {
  const format = { qType: 'F', qFmt: '#,##0.0', qDec: '.', qThou: ',' }
  return { type: 'kpi', measures: [{ qDef: { qDef: expression, qLabel: label, qNumFormat: format } }] }
}
