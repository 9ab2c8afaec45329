import type { AnalyticsApp } from '../apps/analytics-app.ts'

/** Qlik's clients choose such an identifier for an app that lives only as long as its session. */
export const sessionAppPrefix = 'SessionApp_'

/** An empty app of one session: it opens, and has neither data nor objects. */
export function sessionApp(id: string, ownerId: string): AnalyticsApp {
  const now = new Date().toISOString()
  return {
    id,
    name: id,
    description: '',
    ownerId,
    createdAt: now,
    updatedAt: now,
    sheets: [],
    objects: [],
    data: () => [],
  }
}
