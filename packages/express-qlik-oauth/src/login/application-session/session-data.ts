import { isDeepStrictEqual } from 'node:util'
import type { Session, SessionData } from 'express-session'

/** What the application keeps in a session, by name: everything but `cookie`. */
export type ApplicationData = Readonly<Record<string, unknown>>

/** The application's part of a session as its store returns it. */
export function applicationData(session: SessionData): ApplicationData {
  const { cookie: _, ...data } = session
  return data
}

/** Copies the application's data to another session, getters as getters. @returns The copied names. */
export function copyData(from: Session, to: Session): readonly string[] {
  const names = Object.keys(from).filter(name => !isReserved(name, to))
  for (const name of names) {
    const descriptor = Object.getOwnPropertyDescriptor(from, name)
    if (descriptor !== undefined) Object.defineProperty(to, name, { ...descriptor, configurable: true })
  }
  return names
}

/** Removes data that was copied. */
export function removeData(session: Session, names: readonly string[]): void {
  for (const name of names) if (!isReserved(name, session)) Reflect.deleteProperty(session, name)
}

/** Applies to a session what other requests changed in the stored one, name by name. */
export function applyChanges(session: Session, before: ApplicationData, after: ApplicationData): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (isReserved(name, session) || isDeepStrictEqual(before[name], after[name])) continue
    if (!Object.hasOwn(after, name)) Reflect.deleteProperty(session, name)
    else
      Object.defineProperty(session, name, {
        value: after[name],
        configurable: true,
        enumerable: true,
        writable: true,
      })
  }
}

/** Names that express-session keeps for itself, as its constructor does, and `__proto__`. */
function isReserved(name: string, session: Session): boolean {
  return name === 'cookie' || name in Object.getPrototypeOf(session)
}
