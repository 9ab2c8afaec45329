import { createHash } from 'node:crypto'
import type { QlikClient } from '../protocol/client.ts'
import type { QlikUser } from '../protocol/qlik-user.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { needsRefresh, type TokenSet } from '../protocol/token-set.ts'
import type { LoginRecord, LoginStore, StoredLogin } from '../stores/login-store.ts'
import type { Login } from './login.ts'
import { loginCache } from './login-cache.ts'
import { loginEndNotifier } from './login-end-notifier.ts'
import type { EmitLoginEvent, EndReason } from './login-events.ts'
import { refreshLogins } from './refresh-login.ts'

export interface LoginsOptions {
  readonly store: LoginStore
  /** The client that tokens of a login belong to; `undefined` ends logins of clients that are no longer configured. */
  readonly clientOf: (record: Pick<LoginRecord, 'tenant' | 'clientId'>) => QlikClient | undefined
  readonly emit: EmitLoginEvent
  /** @default 1800 */
  readonly idleSeconds?: number
  /** @default 43200 */
  readonly absoluteSeconds?: number
  /** How long before its end an access token is renewed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /**
   * Keeps opened records in this process for so long, while announcements of changes arrive. 0 asks the store each
   * time.
   *
   * @default 0
   */
  readonly cacheSeconds?: number
  /** Lease of the refresh lock; renewed while the token endpoint is slow. @default 5000 */
  readonly refreshLeaseMs?: number
  readonly now?: () => number
}

/** The logins of one application: the one place that is asked who is logged in. */
export interface Logins {
  /** The login, with its idle time started anew; `undefined` when there is none. */
  find(key: string): Promise<Login | undefined>
  /** The same without touching the idle time. */
  peek(key: string): Promise<Login | undefined>
  create(key: string, login: { client: QlikClient; user: QlikUser; tokens: TokenSet }): Promise<Login>
  /** Ends a login everywhere and revokes its tokens at the tenant. @returns False when it was gone already. */
  end(key: string, reason: EndReason): Promise<boolean>
  /** Ends all logins of a user. @returns How many were ended. */
  endAll(tenant: string, userId: string): Promise<number>
  list(tenant: string, userId: string): Promise<readonly Login[]>
  /** Calls `listener` once when the login ends, in whatever process. @returns A function that stops listening. */
  onEnd(login: Login, listener: () => void): () => void
  close(): Promise<void>
}

/**
 * Derives the name of a login from the session id, so that one read by the cookie alone finds it and a dump of the
 * store does not tell cookies.
 */
export function loginKey(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url')
}

export function createLogins(options: LoginsOptions): Logins {
  const { store, clientOf, emit, idleSeconds = 1800, absoluteSeconds = 43_200, now = Date.now } = options
  // Spread over processes: not all of them find the token due at the same moment.
  const leewayMs = (options.refreshLeewaySeconds ?? 60) * 1000 * (0.8 + Math.random() * 0.2)
  const refresh = refreshLogins({ store, clientOf, emit, end, leewayMs, leaseMs: options.refreshLeaseMs ?? 5000, now })
  const copies = loginCache((options.cacheSeconds ?? 0) * 1000, now)
  const endings = loginEndNotifier({
    store,
    now,
    changed: ({ key }) => copies.forget(key),
    lost: () => copies.forgetAll(),
    expired: key => void expire(key),
  })
  const cached = (options.cacheSeconds ?? 0) > 0
  if (cached) endings.watch()

  async function read(key: string, idle?: number): Promise<Login | undefined> {
    const stored = await store.readLogin(key, idle)
    if (stored === undefined) return undefined
    if (stored.record.endsAt <= now()) {
      void expire(key)
      return undefined
    }
    return asLogin(key, stored)
  }

  /** Nobody waits for the tenant to hear that a login is over by the clock. */
  async function expire(key: string): Promise<void> {
    await end(key, 'expired').catch(() => {})
  }

  function asLogin(key: string, first: StoredLogin): Login {
    let stored = first
    return {
      key,
      tenant: first.record.tenant,
      get record() {
        return stored.record
      },
      async accessToken({ rejected } = {}) {
        const { tokens } = stored.record
        if (tokens.accessToken === rejected || needsRefresh(tokens, now(), leewayMs))
          stored = await refresh(key, stored, rejected)
        return stored.record.tokens.accessToken
      },
    }
  }

  async function end(key: string, why: EndReason): Promise<boolean> {
    copies.forget(key)
    const record = await store.endLogin(key)
    endings.notify(key)
    if (record === undefined) return false
    emit('loginEnded', { login: key, user: record.user, tenant: record.tenant, reason: why })
    const client = clientOf(record)
    if (client !== undefined)
      await revokeTokens(client, record.tokens, message =>
        emit('revocationFailed', { login: key, tenant: record.tenant, message }),
      )
    return true
  }

  return {
    async find(key) {
      if (!cached) return read(key, idleSeconds)
      const copy = endings.watch().confirmed ? copies.get(key) : undefined
      if (copy !== undefined) return copy
      const mark = copies.generation()
      const login = await read(key, idleSeconds)
      if (login !== undefined) copies.set(login, mark)
      return login
    },
    peek: key => read(key),
    async create(key, { client, user, tokens }) {
      const createdAt = now()
      const endsAt = createdAt + absoluteSeconds * 1000
      const record = {
        tenant: client.tenant,
        clientId: client.clientId,
        user,
        tokens,
        createdAt,
        refreshedAt: createdAt,
        endsAt,
      }
      await store.createLogin(key, record, idleSeconds)
      emit('login', { login: key, user, tenant: client.tenant })
      return asLogin(key, { record, version: 1 })
    },
    end,
    async endAll(tenant, userId) {
      const keys = await store.loginKeys(tenant, userId)
      const ended = await Promise.all(keys.map(key => end(key, 'administrator')))
      return ended.filter(Boolean).length
    },
    async list(tenant, userId) {
      const keys = await store.loginKeys(tenant, userId)
      const logins = await Promise.all(keys.map(key => read(key)))
      return logins.filter(login => login !== undefined)
    },
    onEnd: endings.onEnd,
    close: endings.close,
  }
}
