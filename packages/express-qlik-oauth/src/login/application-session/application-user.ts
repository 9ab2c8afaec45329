import { isAsyncFunction } from 'node:util/types'
import type { SessionData } from 'express-session'
import { isObject, quoted, sha256 } from 'qlik-oauth/internal'
import { configurationError } from '../../http/options/option-checks.ts'

/** Finds the user of the application's own login in its session data; `undefined` or `null` when there is none. */
export type ApplicationUser = (session: Partial<SessionData>) => unknown

/** Identifies the user of the application's own login, as a hash; `undefined` when there is none. */
export type ApplicationUserId = (session: Partial<SessionData> | undefined) => string | undefined

/** @throws ERR_CONFIGURATION */
export function applicationUserId(option: unknown = passportUser): ApplicationUserId {
  if (typeof option !== 'function' || isAsyncFunction(option))
    throw configurationError(
      `applicationUser must be a function that finds the user in the session data, such as session => session.userId, got ${isAsyncFunction(option) ? 'an async function' : quoted(option)}.`,
    )
  return session => {
    if (session === undefined) return undefined
    try {
      const user: unknown = option(session)
      if (user === undefined || user === null || user === false || user === '') return undefined
      const text = JSON.stringify(user)
      // What looks the same for all users, such as a promise, names none.
      return text === '{}' || text === '[]' ? undefined : sha256(text)
    } catch {
      // Such as `session.user.id` of a session without a user.
      return undefined
    }
  }
}

/** Where passport keeps its user. */
function passportUser(session: Partial<SessionData>): unknown {
  const passport: unknown = Reflect.get(session, 'passport')
  return isObject(passport) ? passport.user : undefined
}
