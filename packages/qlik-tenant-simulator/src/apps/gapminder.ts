import { readFileSync } from 'node:fs'

/** One country in one year: a row of `data/gapminder.json` with the name of its cluster. */
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
 * The Gapminder data behind the default apps (CC BY 4.0, see `data/ATTRIBUTION.md`).
 *
 * `src` and `dist` are equally deep below the package, so the path works in both.
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

/** Cluster names, from `datapackage.json` of vega-datasets. */
const regions = [
  'South Asia',
  'Europe & Central Asia',
  'Sub-Saharan Africa',
  'America',
  'East Asia & Pacific',
  'Middle East & North Africa',
]
