import type { Request } from 'express'
import type { Session, SessionData, Store } from 'express-session'
import type { LoginStore, QlikOAuthError } from 'qlik-oauth'
import { configurationError } from '../../http/options/option-checks.ts'
import { replacedSessions } from './replaced-sessions.ts'
import { type ApplicationData, applicationData, applyChanges, copyData, removeData } from './session-data.ts'
import { sessionStoreError } from './session-store.ts'

/** A change of the browser's session id that keeps the application's data. */
export interface SessionChange {
  /**
   * Gives the request a session with a new id and the application's data. The old session stays as it is until
   * `complete`.
   *
   * @throws ERR_STORE_UNAVAILABLE
   */
  begin(): Promise<void>
  /**
   * Saves the new session and destroys the old one.
   *
   * @throws ERR_STORE_UNAVAILABLE
   */
  complete(): Promise<void>
  /** Gives the request its old session back. */
  undo(): void
}

export interface SessionChangeOptions {
  readonly request: Request
  /** Whether the browser sent the id of the request's session. Other sessions are in no store yet. */
  readonly isStored: boolean
  readonly store: Pick<LoginStore, 'lock'>
}

/**
 * Prepares a change of the session id. Between the call and `complete`, other requests may write to the old session:
 * what they change is carried over too. When they destroy the session, its data is gone from the new one as well.
 *
 * @throws ERR_CONFIGURATION when `session()` is not mounted before the routes; ERR_STORE_UNAVAILABLE
 */
export async function sessionChange({ request, isStored, store }: SessionChangeOptions): Promise<SessionChange> {
  const { session: oldSession, sessionID: oldId, sessionStore } = request
  // express-session sets it on its store; its types lack it.
  const generate: unknown = Reflect.get(sessionStore ?? {}, 'generate')
  if (oldSession === undefined || !isGenerator(generate)) throw missingSession(request)

  const replaced = replacedSessions(store)
  let carried: readonly string[] = []
  let seen = isStored ? await read() : undefined

  async function read(): Promise<ApplicationData | undefined> {
    const stored = await new Promise<SessionData | null | undefined>((resolve, reject) =>
      sessionStore.get(oldId, (error, session) => (error ? reject(sessionStoreError(error)) : resolve(session))),
    )
    return stored ? applicationData(stored) : undefined
  }

  /** Applies what other requests have changed since the last look. */
  async function catchUp(session: Session): Promise<void> {
    if (seen === undefined) return
    const now = await read()
    if (now !== undefined) applyChanges(session, seen, now)
    // The login of another tab keeps the data; a logout of the application's does not.
    else if (!(await replaced.has(oldId))) removeData(session, carried)
    seen = now
  }

  const newSession = (): Session => {
    generate.call(sessionStore, request)
    return request.session
  }

  return {
    async begin() {
      carried = copyData(oldSession, newSession())
      await catchUp(request.session)
    },
    async complete() {
      const session = request.session ?? newSession()
      await catchUp(session)
      await new Promise<void>((resolve, reject) =>
        session.save(error => (error ? reject(sessionStoreError(error)) : resolve())),
      )
      if (seen !== undefined) await replaced.add(oldId)
      await new Promise<void>((resolve, reject) =>
        sessionStore.destroy(oldId, error => (error ? reject(sessionStoreError(error)) : resolve())),
      )
    },
    undo() {
      const { sessionID } = request
      request.session = oldSession
      request.sessionID = oldId
      // The application may have saved it.
      if (sessionID !== oldId) sessionStore.destroy(sessionID, () => {})
    },
  }
}

/** Names what `session()` lacks: other middleware, such as cookie-session, may hold its place. */
export function missingSession({ session }: Request): QlikOAuthError {
  return configurationError(
    session === undefined
      ? 'req.session is missing: mount session() before qlik.routes().'
      : 'req.session belongs to other middleware, such as cookie-session, and express-session leaves it alone: mount that after qlik.routes(), or only on the routes that use it.',
  )
}

function isGenerator(generate: unknown): generate is (this: Store, request: Request) => void {
  return typeof generate === 'function'
}
