import type { QlikEventName } from '../../src/index.ts'

/** All events; the compiler reports a missing one. */
export const eventNames = Object.keys({
  login: true,
  loginEnded: true,
  loginMoved: true,
  refresh: true,
  refreshFailed: true,
  revocationFailed: true,
  saveFailed: true,
  denied: true,
  warning: true,
  proxy: true,
  proxied: true,
  socket: true,
} satisfies Record<QlikEventName, true>) as QlikEventName[]
