import type { SessionData, Store } from 'express-session'
import { type LoginStore, QlikOAuthError } from 'qlik-oauth'
import { type Logins, loginKey } from 'qlik-oauth/internal'
import type { ApplicationUserId } from './application-user.ts'
import { sessionRegeneration } from './session-regeneration.ts'

/**
 * Binds the application's session store to the logins.
 *
 * - `req.session.destroy()` ends the login too, `regenerate()` moves it to the new id when the same user of the
 *   application goes on. A session that was lost, by eviction for instance, does not end it.
 * - Session data that cannot be read counts as lost.
 * - Errors become ERR_STORE_UNAVAILABLE, status 503. A slow store gets time, unless the login store does not respond
 *   either: Redis is then unavailable, and the request gets 503 within a second instead of hanging.
 */
export function bindSessionStore(
  store: Store,
  { logins, loginStore, userOf }: { logins: Logins; loginStore: LoginStore; userOf: ApplicationUserId },
): void {
  const get = store.get.bind(store)
  const set = store.set.bind(store)
  const destroy = store.destroy.bind(store)
  const touch = store.touch?.bind(store)
  const whileAvailable = availability(loginStore)
  const regeneration = sessionRegeneration(store, logins, userOf)

  store.get = (sessionId, done) => {
    const finish = whileAvailable(done)
    const read = (error: unknown, session?: SessionData | null): void => {
      if (isUnreadable(error, session)) finish(null, null)
      else if (error) finish(sessionStoreError(error))
      else finish(null, session)
    }
    try {
      get(sessionId, read)
    } catch (error) {
      read(error)
    }
  }
  store.set = (sessionId, session, done) => {
    const finish = whileAvailable(error => done?.(error ? sessionStoreError(error) : undefined))
    const settled = regeneration.saved(sessionId, session)
    if (settled === undefined) set(sessionId, session, finish)
    else settled.then(() => set(sessionId, session, finish)).catch(finish)
  }
  if (touch !== undefined) {
    // The response is complete by then. An error of `touch` must not delay or break it.
    store.touch = (sessionId, session, done) => {
      const finish = whileAvailable(() => done?.())
      touch(sessionId, session, finish)
    }
  }
  store.regenerate = regeneration.regenerate
  store.destroy = (sessionId, done) => {
    const ended = regeneration
      .destroyed(sessionId)
      .then(endsLogin => endsLogin && logins.end(loginKey(sessionId), 'session_destroyed'))
    const destroyed = new Promise<void>((resolve, reject) => {
      destroy(
        sessionId,
        whileAvailable(error => (error ? reject(sessionStoreError(error)) : resolve())),
      )
    })
    Promise.all([ended, destroyed]).then(
      () => done?.(),
      error => done?.(error),
    )
  }
}

export function sessionStoreError(cause: unknown): QlikOAuthError {
  if (cause instanceof QlikOAuthError) return cause
  return new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'The session store is unavailable', {
    cause,
    retryAfterSeconds: 1,
  })
}

function isUnreadable(error: unknown, session: unknown): boolean {
  if (error) return error instanceof Error && error.name === 'SyntaxError'
  if (session === null || session === undefined) return false
  return typeof session !== 'object' || !('cookie' in session) || typeof session.cookie !== 'object' || !session.cookie
}

type Callback<Value> = (error?: unknown, value?: Value) => void

/** Makes a function that wraps a callback: it is called once, with an error when the login store does not respond. */
function availability(loginStore: LoginStore): <Value>(done: Callback<Value>) => Callback<Value> {
  // Requests that wait at the same time share one check.
  let checking: Promise<unknown> | undefined
  const checkStore = (): Promise<unknown> => {
    checking ??= unavailability(loginStore).finally(() => {
      checking = undefined
    })
    return checking
  }

  return done => {
    let isWaiting = true
    const finish: typeof done = (error, value) => {
      if (!isWaiting) return
      isWaiting = false
      clearTimeout(timer)
      done(error, value)
    }
    const check = async (): Promise<void> => {
      const error = await checkStore()
      if (error !== undefined) finish(error)
      else if (isWaiting) timer = setTimeout(check, slowMs)
    }
    let timer = setTimeout(check, slowMs)
    return finish
  }
}

/** @returns The error when the login store does not respond in time. */
async function unavailability(loginStore: LoginStore): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Error>(resolve => {
    timer = setTimeout(() => resolve(sessionStoreError(new Error('no response in time'))), pingMs)
  })
  const failed = loginStore.ping().then(
    () => undefined,
    (error: unknown) => error,
  )
  const error = await Promise.race([failed, late])
  clearTimeout(timer)
  return error
}

/** Together well below a second. */
const slowMs = 300
const pingMs = 450
