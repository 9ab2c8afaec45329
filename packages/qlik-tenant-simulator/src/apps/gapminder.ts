import { readFileSync } from 'node:fs'

/** One country in one year, as in `data/gapminder.json`, with the region that its cluster stands for. */
export interface GapminderRow {
  readonly year: number
  readonly country: string
  readonly cluster: number
  readonly region: string
  readonly pop: number
  readonly life_expect: number
  readonly fertility: number
}

/**
 * The Gapminder data that the analytics apps are made of (CC BY 4.0, see `data/ATTRIBUTION.md`).
 *
 * The file lies beside `src` and `dist`, so this works from the sources and from the built package.
 */
export function gapminder(): readonly GapminderRow[] {
  rows ??= (JSON.parse(readFileSync(file, 'utf8')) as readonly Omit<GapminderRow, 'region'>[]).map(row => ({
    ...row,
    region: regions[row.cluster] ?? 'Other',
  }))
  return rows
}

const file = new URL('../../data/gapminder.json', import.meta.url)
let rows: readonly GapminderRow[] | undefined

/** Names of the clusters as vega-datasets documents them (`datapackage.json`: south_asia, europe_central_asia, ...). */
const regions = [
  'South Asia',
  'Europe & Central Asia',
  'Sub-Saharan Africa',
  'America',
  'East Asia & Pacific',
  'Middle East & North Africa',
]
