import type { AnalyticsApp } from '../../apps/analytics-app.ts'

/** Prefix of the ids that clients choose for session apps. */
export const sessionAppPrefix = 'SessionApp_'

/** A session app: an empty app without data and objects. */
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
