import { createHash } from 'node:crypto'
import type { AnalyticsApp } from './analytics-app.ts'
import { dashboard, dashboardObjects } from './dashboard.ts'
import { type GapminderRow, gapminder } from './gapminder.ts'

export type { AnalyticsApp } from './analytics-app.ts'

/** Id of the app with all of the data. */
export const gapminderAppId = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955'

/** Id of a default user. */
const owner = 'ada'

interface AppPlan {
  readonly name: string
  readonly description: string
  readonly spaceId?: NonNullable<AnalyticsApp['spaceId']>
  /** Dimension of the bar chart and the pie chart. */
  readonly group: 'region' | 'country' | 'year'
  readonly includes: (row: GapminderRow) => boolean
}

const regions = [
  'South Asia',
  'Europe & Central Asia',
  'Sub-Saharan Africa',
  'America',
  'East Asia & Pacific',
  'Middle East & North Africa',
]
const periods = [
  [1955, 1965],
  [1965, 1975],
  [1975, 1985],
  [1985, 1995],
  [1995, 2005],
] as const
const countries = [
  'Argentina',
  'Australia',
  'Bangladesh',
  'Brazil',
  'Canada',
  'China',
  'Egypt',
  'France',
  'Germany',
  'India',
  'Indonesia',
  'Japan',
]
const moreCountries = ['Kenya', 'Mexico', 'Nigeria', 'Pakistan', 'Poland', 'United Kingdom', 'United States']

const plans: readonly AppPlan[] = [
  {
    name: 'Gapminder',
    description: 'Population, life expectancy and fertility of 62 countries, 1955 to 2005.',
    spaceId: 'space-analytics',
    group: 'region',
    includes: () => true,
  },
  ...regions.map(
    (region): AppPlan => ({
      name: `Region: ${region}`,
      description: `The countries of one region, ${region}, 1955 to 2005.`,
      spaceId: 'space-analytics',
      group: 'country',
      includes: row => row.region === region,
    }),
  ),
  ...periods.map(
    ([from, to]): AppPlan => ({
      name: `Period: ${from} to ${to}`,
      description: `All regions in the years ${from}, ${from + 5} and ${to}.`,
      spaceId: 'space-finance',
      group: 'region',
      includes: row => row.year >= from && row.year <= to,
    }),
  ),
  ...[...countries, ...moreCountries].map(
    (country): AppPlan => ({
      name: `Country: ${country}`,
      description: `${country}, 1955 to 2005.`,
      ...(moreCountries.includes(country) ? {} : { spaceId: 'space-analytics' as const }),
      group: 'year',
      includes: row => row.country === country,
    }),
  ),
]

/** The default apps: one with all of the data, the others with one region, period or country. */
export const analyticsApps: readonly AnalyticsApp[] = plans.map(analyticsApp)

function analyticsApp({ name, description, spaceId, group, includes }: AppPlan, index: number): AnalyticsApp {
  const day = new Date(Date.UTC(2026, 2, 12 - index)).toISOString()
  return {
    id: index === 0 ? gapminderAppId : guid(name),
    name,
    description,
    ...(spaceId ? { spaceId } : {}),
    ownerId: owner,
    createdAt: day,
    updatedAt: day,
    sheets: [{ id: dashboardObjects.sheet, title: 'Overview' }],
    objects: dashboard('Overview', group),
    data: () =>
      gapminder()
        .filter(includes)
        .map(row => ({ ...row })),
  }
}

/** A GUID derived from the name, so that ids are stable. */
function guid(name: string): string {
  const digits = createHash('sha256').update(name).digest('hex')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`
}
