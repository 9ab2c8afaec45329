import type { AnalyticsApp } from './analytics-app.ts'
import { gapminder } from './gapminder.ts'

export type { AnalyticsApp } from './analytics-app.ts'

/** Identifier of the dashboard that the demo opens first. */
export const gapminderAppId = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955'

/** The apps of the simulated tenant. */
export const analyticsApps: readonly AnalyticsApp[] = [
  {
    id: gapminderAppId,
    name: 'Gapminder',
    description: 'Population, life expectancy and fertility of 62 countries, 1955 to 2005.',
    spaceId: 'space-analytics',
    ownerId: 'user-alice',
    createdAt: '2026-01-12T08:00:00.000Z',
    updatedAt: '2026-03-02T08:00:00.000Z',
    sheets: [{ id: 'sheet-overview', title: 'Overview' }],
    objects: [],
    data: () => gapminder().map(row => ({ ...row })),
  },
]
