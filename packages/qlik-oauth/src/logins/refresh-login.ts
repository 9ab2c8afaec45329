import { setTimeout as delay } from 'node:timers/promises'
import type { QlikClient } from '../protocol/client.ts'
import {
  isGrantRefused,
  isUserDisabled,
  isUserRefused,
  messageOf,
  QlikOAuthError,
  TokenResponseError,
} from '../protocol/errors.ts'
import { refreshTokenGrant } from '../protocol/grants.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { requestTokens } from '../protocol/token-endpoint.ts'
import { needsRefresh, refreshedTokens, type TokenSet } from '../protocol/token-set.ts'
import type { LoginEndReason, LoginRecord, LoginStore, StoredLogin } from '../stores/login-store.ts'
import { singleFlight } from '../stores/single-flight.ts'
import type { EmitLoginEvent } from './login-events.ts'

export interface RefreshOptions {
  readonly store: LoginStore
  readonly clientOf: (record: Pick<LoginRecord, 'tenant' | 'clientId'>) => QlikClient | undefined
  readonly emit: EmitLoginEvent
  readonly end: (key: string, reason: LoginEndReason, context?: unknown) => Promise<unknown>
  readonly leewayMs: number
  readonly leaseMs: number
  readonly now: () => number
}

/**
 * Refreshes the tokens of logins: once, however many requests in however many processes find them due.
 *
 * A write compares the version that the used refresh token came from, not who holds the lock: a process that lost the
 * lock still stores the only valid tokens, and one that finishes after a logout stores nothing.
 *
 * @returns A function that gets the login with a valid access token. `rejected` is an access token that the tenant
 * rejected with 401. It is refreshed regardless of its expiry, unless it cannot be refreshed, or is itself the result
 * of a refresh within the last minute in any process: then the login is returned as it is, so that a resource that
 * rejects every token neither ends the login nor costs a token request each time. When the refresh fails and the access
 * token has not expired, the login is returned as it is.
 * @throws ERR_SESSION_EXPIRED when the login has ended; ERR_USER_REFUSED while the tenant refuses the user;
 * ERR_TOKEN_UNAVAILABLE when there is no valid token now; ERR_STORE_UNAVAILABLE.
 */
export function refreshLogins(
  options: RefreshOptions,
): (key: string, seen: StoredLogin, rejected?: string, context?: unknown) => Promise<StoredLogin> {
  const { store, clientOf, emit, end, leewayMs, leaseMs, now } = options
  const once = singleFlight<StoredLogin>({ store, leaseMs, waitMs: maxRefreshMs })
  /** Refreshed logins that the store did not accept yet. */
  const unsaved = new Map<string, StoredLogin>()

  return async (key, seen, rejected, context) => {
    const isUsable = (login: StoredLogin) => {
      const { tokens } = login.record
      if (!canRefresh(login)) return tokens.expiresAt > now()
      if (needsRefresh(tokens, now(), leewayMs)) return false
      return tokens.accessToken !== rejected || wasJustRefreshed(login)
    }
    if (isUsable(seen)) return seen

    const task = {
      async lookup() {
        const current = unsaved.get(key) ?? (await readCurrent(key))
        return isUsable(current) ? current : undefined
      },
      execute: async () => refresh(key, unsaved.get(key) ?? (await readCurrent(key)), context),
    }
    try {
      const stored = await once(key, task)
      // A flight that began earlier may have read its tokens before they were rejected.
      return isUsable(stored) ? stored : await once(key, task)
    } catch (error) {
      if (isSessionExpired(error)) throw error
      const { tokens } = seen.record
      if (tokens.accessToken !== rejected && tokens.expiresAt > now()) return seen
      throw unavailable(error)
    }
  }

  function canRefresh({ record }: StoredLogin): boolean {
    return record.tokens.refreshToken !== undefined && clientOf(record) !== undefined
  }

  /** Read from the record, so that all processes agree. */
  function wasJustRefreshed({ record, version }: StoredLogin): boolean {
    return version > 1 && now() < record.refreshedAt + forcedRefreshPauseMs
  }

  async function readCurrent(key: string): Promise<StoredLogin> {
    const current = await store.readLogin(key)
    if (current === undefined) throw sessionExpired()
    return current
  }

  async function refresh(key: string, current: StoredLogin, context: unknown): Promise<StoredLogin> {
    const { record } = current
    const client = clientOf(record)
    const refreshToken = record.tokens.refreshToken
    if (client === undefined || refreshToken === undefined) {
      await end(key, 'refresh_refused', context)
      throw sessionExpired()
    }

    const startedAt = now()
    let tokens: TokenSet
    try {
      tokens = await requestTokens(client, refreshTokenGrant(refreshToken), { now })
    } catch (error) {
      return await failed(key, current, error, context)
    }
    const refreshed = {
      record: { ...record, tokens: refreshedTokens(record.tokens, tokens), refreshedAt: now() },
      version: current.version + 1,
    }
    const stored = await save(key, refreshed, client, context)
    emit('refresh', { login: key, tenant: record.tenant, tookMs: now() - startedAt }, context)
    return stored
  }

  /** Only `invalid_grant` and a disabled user end the login: the other failures do not concern this login. */
  async function failed(key: string, current: StoredLogin, error: unknown, context: unknown): Promise<StoredLogin> {
    const { tenant } = current.record
    const grantRefused = isGrantRefused(error)
    if (grantRefused) {
      // Another process may have used the same refresh token a moment ago and be about to store the result.
      for (const waitMs of [0, 100, 300, 600]) {
        await delay(waitMs)
        const latest = await readCurrent(key)
        if (latest.version !== current.version) return latest
      }
    }
    emit(
      'refreshFailed',
      {
        login: key,
        tenant,
        code: error instanceof QlikOAuthError ? error.code : 'unknown',
        ...(error instanceof TokenResponseError ? { error: error.error } : {}),
        message: messageOf(error),
      },
      context,
    )
    const userDisabled = isUserDisabled(error)
    if (!grantRefused && !userDisabled) throw error
    await end(key, userDisabled ? 'user_disabled' : 'refresh_refused', context)
    throw sessionExpired()
  }

  async function save(
    key: string,
    refreshed: StoredLogin,
    client: QlikClient,
    context?: unknown,
  ): Promise<StoredLogin> {
    const { record, version } = refreshed
    try {
      const outcome = await store.replaceLogin(key, version - 1, record)
      unsaved.delete(key)
      if (outcome === 'replaced') return refreshed
      const current = outcome === 'changed' ? await store.readLogin(key) : undefined
      // A write that succeeded without a response looks like a change to what was written.
      if (current?.record.tokens.accessToken === record.tokens.accessToken) return current
      await revokeTokens(client, current === undefined ? record.tokens : withoutRefreshToken(record.tokens), message =>
        emit('revocationFailed', { login: key, tenant: record.tenant, message }, context),
      )
      if (current === undefined) throw sessionExpired()
      return current
    } catch (error) {
      if (isSessionExpired(error)) throw error
      if (!unsaved.has(key)) {
        unsaved.set(key, refreshed)
        emit('saveFailed', { login: key, tenant: record.tenant, message: messageOf(error) }, context)
        void retrySaving(key, client)
      }
      return refreshed
    }
  }

  /** The old refresh token is used up: this process serves the new tokens from memory until the store has them. */
  async function retrySaving(key: string, client: QlikClient): Promise<void> {
    const deadline = now() + 60_000
    for (let login = unsaved.get(key); login !== undefined && now() < deadline; login = unsaved.get(key)) {
      await delay(250, undefined, { ref: false })
      await save(key, login, client).catch(() => unsaved.delete(key))
    }
    unsaved.delete(key)
  }
}

/**
 * Three leases and the time limit of the token endpoint: a waiting process outlasts a holder that may still succeed.
 */
const maxRefreshMs = 45_000
/** How long a refreshed access token is not refreshed again because a resource rejects it. */
const forcedRefreshPauseMs = 60_000

function withoutRefreshToken({ refreshToken: _, ...rest }: TokenSet): TokenSet {
  return rest
}

function sessionExpired(): QlikOAuthError {
  return new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login has ended')
}

function isSessionExpired(error: unknown): boolean {
  return error instanceof QlikOAuthError && error.code === 'ERR_SESSION_EXPIRED'
}

function unavailable(error: unknown): QlikOAuthError {
  const refused = error instanceof QlikOAuthError && error.code === 'ERR_TOKEN_UNAVAILABLE' ? error.cause : error
  if (isUserRefused(refused))
    return new QlikOAuthError('ERR_USER_REFUSED', 'The tenant refuses the user an access token', { cause: refused })
  if (
    error instanceof QlikOAuthError &&
    (error.code === 'ERR_TOKEN_UNAVAILABLE' || error.code === 'ERR_STORE_UNAVAILABLE')
  )
    return error
  return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', 'The access token has expired and could not be refreshed', {
    cause: error,
    retryAfterSeconds: 5,
  })
}
