import type { Request } from 'express'
import type { SessionData, Store } from 'express-session'
import { type Logins, loginKey } from 'qlik-oauth/internal'
import type { ApplicationUserId } from './application-user.ts'

/** What becomes of a login when the application changes the session id. */
export interface SessionRegeneration {
  /** Replaces `regenerate` of the session store. */
  regenerate(request: Request, done: (error?: unknown) => void): void
  /**
   * Called with the data that is saved. The first save under a new id moves the login there, or ends it.
   *
   * @returns `undefined` for a session that is not new.
   * @throws ERR_STORE_UNAVAILABLE
   */
  saved(sessionId: string, session: SessionData): Promise<void> | undefined
  /** Called when a session is destroyed. @returns Whether the login is to end with it. */
  destroyed(sessionId: string): Promise<boolean>
}

interface PendingChange {
  /** Key of the login under the old id. */
  readonly login: string
  /** The application's user under the old id. */
  readonly user: string | undefined
  readonly request: Request
}

/**
 * Applications change the session id with `req.session.regenerate()` when a user logs in to them, and when one logs
 * out; passport does both. The login is kept only if the new session has a user of the application, and neither the old
 * session nor the login belongs to another one. Otherwise it ends, as with `req.session.destroy()`. Either way the old
 * id is no longer logged in when the response is sent.
 */
export function sessionRegeneration(store: Store, logins: Logins, userOf: ApplicationUserId): SessionRegeneration {
  const regenerate = store.regenerate.bind(store)
  /** Ids whose sessions are being replaced. */
  const replaced = new Set<string>()
  /** By new session id, until its data is saved. */
  const pending = new Map<string, PendingChange>()

  async function end(change: PendingChange): Promise<void> {
    await logins.end(change.login, 'session_destroyed', change.request)
  }

  async function settle(change: PendingChange, sessionId: string, user: string | undefined): Promise<void> {
    const isSameUser = user !== undefined && (change.user === undefined || change.user === user)
    if (isSameUser) await logins.move(change.login, loginKey(sessionId), user, change.request)
    else await end(change)
  }

  function take(sessionId: string): PendingChange | undefined {
    const change = pending.get(sessionId)
    pending.delete(sessionId)
    return change
  }

  return {
    regenerate(request, done) {
      const { sessionID: oldId } = request
      const change = take(oldId) ?? { login: loginKey(oldId), user: userOf(request.session), request }
      replaced.add(oldId)
      regenerate(request, (error: unknown) => {
        replaced.delete(oldId)
        if (error) {
          end(change).then(
            () => done(error),
            () => done(error),
          )
          return
        }
        const { sessionID: newId } = request
        pending.set(newId, change)
        // A session that is never saved, because the browser has left, keeps no login.
        request.res?.once('close', () => {
          if (take(newId) !== undefined) end(change).catch(() => {})
        })
        done()
      })
    },
    saved(sessionId, session) {
      const change = take(sessionId)
      return change === undefined ? undefined : settle(change, sessionId, userOf(session))
    },
    async destroyed(sessionId) {
      const isReplaced = replaced.has(sessionId)
      const change = take(sessionId)
      if (change !== undefined) await end(change)
      return !isReplaced
    },
  }
}
