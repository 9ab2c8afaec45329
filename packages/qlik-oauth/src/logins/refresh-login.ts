import { setTimeout as delay } from 'node:timers/promises'
import type { QlikClient } from '../protocol/client.ts'
import { messageOf, QlikOAuthError, TokenResponseError } from '../protocol/errors.ts'
import { refreshTokenGrant } from '../protocol/grants.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { requestTokens } from '../protocol/token-endpoint.ts'
import { needsRefresh, type TokenSet } from '../protocol/token-set.ts'
import type { LoginRecord, LoginStore, StoredLogin } from '../stores/login-store.ts'
import { singleFlight } from '../stores/single-flight.ts'
import type { EmitLoginEvent, EndReason } from './login-events.ts'

export interface RefreshOptions {
  readonly store: LoginStore
  readonly clientOf: (record: Pick<LoginRecord, 'tenant' | 'clientId'>) => QlikClient | undefined
  readonly emit: EmitLoginEvent
  readonly end: (key: string, reason: EndReason) => Promise<unknown>
  readonly leewayMs: number
  readonly leaseMs: number
  readonly now: () => number
}

/**
 * Renews the tokens of logins: once, however many requests on however many machines find them due.
 *
 * The write compares the version that the used refresh token came from, not who holds the lock: a holder that lost its
 * lock still stores the only valid tokens, and one that comes after a logout stores nothing.
 *
 * @returns A function that gives the login with valid tokens. Where renewing fails and the old access token is still
 * good, it gives the old one. `rejected` is an access token that the tenant refused, whatever its expiry says; where
 * its successor is refused as well, that one is given back for a minute, so that a resource that answers 401 to
 * everybody does not cost a refresh each time.
 * @throws ERR_SESSION_EXPIRED when the login is over; ERR_TOKEN_UNAVAILABLE when no valid token can be had now.
 */
export function refreshLogins(
  options: RefreshOptions,
): (key: string, seen: StoredLogin, rejected?: string) => Promise<StoredLogin> {
  const { store, clientOf, emit, end, leewayMs, leaseMs, now } = options
  const once = singleFlight<StoredLogin>({ store, leaseMs, waitMs: longestRefreshMs })
  const unsaved = new Map<string, StoredLogin>()
  const forced = new Map<string, { accessToken: string; at: number }>()

  return async (key, seen, rejected) => {
    // The tenant refuses what it has just issued: it is not the token's age, and asking for more of them would never
    // end.
    const last = forced.get(key)
    if (
      rejected !== undefined &&
      last?.accessToken === rejected &&
      now() < last.at + forcedPauseMs &&
      keeps(seen, rejected)
    )
      return seen
    const good = ({ record: { tokens } }: StoredLogin) =>
      tokens.accessToken !== rejected && !needsRefresh(tokens, now(), leewayMs)
    const work = {
      async lookup() {
        const current = unsaved.get(key) ?? (await present(key))
        return good(current) ? current : undefined
      },
      execute: async () => renew(key, unsaved.get(key) ?? (await present(key)), rejected),
    }
    try {
      const stored = await once(key, work)
      // A flight that others began may have read its tokens before they were rejected.
      const fresh = stored.record.tokens.accessToken === rejected ? await once(key, work) : stored
      if (rejected !== undefined) remember(key, fresh)
      return fresh
    } catch (error) {
      if (error instanceof QlikOAuthError && error.code === 'ERR_SESSION_EXPIRED') throw error
      const { tokens } = seen.record
      if (tokens.accessToken !== rejected && tokens.expiresAt > now()) return seen
      throw unavailable(error)
    }
  }

  function keeps({ record: { tokens } }: StoredLogin, accessToken: string): boolean {
    return tokens.accessToken === accessToken && !needsRefresh(tokens, now(), leewayMs)
  }

  function remember(key: string, { record }: StoredLogin): void {
    const [oldest] = forced.size < mostForced ? [] : forced.keys()
    if (oldest !== undefined) forced.delete(oldest)
    forced.set(key, { accessToken: record.tokens.accessToken, at: now() })
  }

  async function present(key: string): Promise<StoredLogin> {
    const current = await store.readLogin(key)
    if (current === undefined) throw over()
    return current
  }

  async function renew(key: string, current: StoredLogin, rejected: string | undefined): Promise<StoredLogin> {
    const { record } = current
    const client = clientOf(record)
    const used = record.tokens.refreshToken
    if (client === undefined || used === undefined) {
      if (record.tokens.expiresAt > now() && record.tokens.accessToken !== rejected) return current
      await end(key, 'refresh_refused')
      throw over()
    }

    const startedAt = now()
    let tokens: TokenSet
    try {
      tokens = await requestTokens(client, refreshTokenGrant(used), { now })
    } catch (error) {
      return await refused(key, current, error)
    }
    const renewed = {
      record: { ...record, tokens: merged(record.tokens, tokens), refreshedAt: now() },
      version: current.version + 1,
    }
    const stored = await save(key, renewed, client)
    emit('refresh', { login: key, tenant: record.tenant, tookMs: now() - startedAt })
    return stored
  }

  /**
   * The four outcomes of a refresh that brought no tokens. Only a refused grant ends the login: the rest is not the
   * user's fault.
   */
  async function refused(key: string, current: StoredLogin, error: unknown): Promise<StoredLogin> {
    const { tenant } = current.record
    const grantRefused = error instanceof TokenResponseError && error.error === 'invalid_grant'
    if (grantRefused) {
      // Another process may have used the same refresh token a moment ago and be about to store what it got.
      for (const waitMs of [0, 100, 300, 600]) {
        await delay(waitMs)
        const changed = await present(key)
        if (changed.version !== current.version) return changed
      }
    }
    emit('refreshFailed', {
      login: key,
      tenant,
      code: error instanceof QlikOAuthError ? error.code : 'unknown',
      ...(error instanceof TokenResponseError ? { error: error.error } : {}),
      message: messageOf(error),
    })
    if (!grantRefused) throw error
    await end(key, 'refresh_refused')
    throw over()
  }

  async function save(key: string, renewed: StoredLogin, client: QlikClient): Promise<StoredLogin> {
    const { record, version } = renewed
    try {
      const outcome = await store.replaceLogin(key, version - 1, record)
      unsaved.delete(key)
      if (outcome === 'replaced') return renewed
      const current = outcome === 'changed' ? await store.readLogin(key) : undefined
      // A write whose answer was lost shows as a change to what was written.
      if (current?.record.tokens.accessToken === record.tokens.accessToken) return current
      await revokeTokens(client, current === undefined ? record.tokens : withoutRefresh(record.tokens), message =>
        emit('revocationFailed', { login: key, tenant: record.tenant, message }),
      )
      if (current === undefined) throw over()
      return current
    } catch (error) {
      if (error instanceof QlikOAuthError && error.code === 'ERR_SESSION_EXPIRED') throw error
      if (!unsaved.has(key)) {
        unsaved.set(key, renewed)
        emit('saveFailed', { login: key, tenant: record.tenant, message: messageOf(error) })
        void saveLater(key, client)
      }
      return renewed
    }
  }

  /**
   * The old refresh token is used up: until the new one is stored, this process serves from memory and keeps trying.
   */
  async function saveLater(key: string, client: QlikClient): Promise<void> {
    const deadline = now() + 60_000
    for (let renewed = unsaved.get(key); renewed !== undefined && now() < deadline; renewed = unsaved.get(key)) {
      await delay(250, undefined, { ref: false })
      await save(key, renewed, client).catch(() => unsaved.delete(key))
    }
    unsaved.delete(key)
  }
}

/** Three leases and the token endpoint's own limit: nobody gives up on a holder who may still succeed. */
const longestRefreshMs = 45_000
/** A token that came of a forced refresh is not renewed for being rejected again, in the same process, for so long. */
const forcedPauseMs = 60_000
const mostForced = 10_000

function merged(old: TokenSet, fresh: TokenSet): TokenSet {
  return {
    ...fresh,
    ...(fresh.refreshToken === undefined && old.refreshToken !== undefined ? { refreshToken: old.refreshToken } : {}),
    ...(fresh.scope === undefined && old.scope !== undefined ? { scope: old.scope } : {}),
  }
}

function withoutRefresh({ refreshToken: _, ...rest }: TokenSet): TokenSet {
  return rest
}

function over(): QlikOAuthError {
  return new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login has ended')
}

function unavailable(error: unknown): QlikOAuthError {
  if (
    error instanceof QlikOAuthError &&
    (error.code === 'ERR_TOKEN_UNAVAILABLE' || error.code === 'ERR_STORE_UNAVAILABLE')
  )
    return error
  return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', 'The access token has ended and could not be renewed', {
    cause: error,
    retryAfterSeconds: 5,
  })
}
