import type { QlikClient } from '../protocol/client.ts'
import { sha256 } from '../protocol/hash.ts'
import type { QlikUser } from '../protocol/qlik-user.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { defaultRefreshLeewaySeconds, needsRefresh, type TokenSet } from '../protocol/token-set.ts'
import { ignoreForeign } from '../stores/foreign-record.ts'
import {
  defaultEndingLeaseMs,
  type LoginEnding,
  type LoginEndReason,
  type LoginRecord,
  type LoginStore,
  type StoredLogin,
} from '../stores/login-store.ts'
import type { AccessTokenOptions, TokenSource } from '../tokens/token-source.ts'
import { beyondLimit } from './beyond-limit.ts'
import { endingSweep } from './ending-sweep.ts'
import { loginCache } from './login-cache.ts'
import { loginEndNotifier } from './login-end-notifier.ts'
import type { EmitLoginEvent } from './login-events.ts'
import { moveLogins } from './move-login.ts'
import { refreshLogins } from './refresh-login.ts'

export interface LoginsOptions {
  readonly store: LoginStore
  /** The client that the tokens of a login belong to; `undefined` when it is no longer configured. */
  readonly clientOf: (record: Pick<LoginRecord, 'tenant' | 'clientId'>) => QlikClient | undefined
  readonly emit: EmitLoginEvent
  /** @default 1800 */
  readonly idleSeconds?: number
  /** @default 43200 */
  readonly absoluteSeconds?: number
  /** A new login ends the oldest ones of the same user, tenant and client beyond this number; 0: no limit. @default 0 */
  readonly maxLoginsPerUser?: number
  /** Seconds before its expiry at which an access token is refreshed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /**
   * How long a login is served from this process while the subscription to changes is confirmed. 0 reads the store each
   * time.
   *
   * @default 0
   */
  readonly cacheSeconds?: number
  /** Lease of the refresh lock; renewed while the token endpoint is slow. @default 5000 */
  readonly refreshLeaseMs?: number
  /** Interval between sweeps for expired logins and abandoned endings, in milliseconds. @default 15000 */
  readonly sweepIntervalMs?: number
  /** After this time another process takes over what this one left unfinished, in milliseconds. @default 30000 */
  readonly endingLeaseMs?: number
  /** @default Date.now */
  readonly now?: () => number
}

/** A login that is valid now. As a token source it refreshes its tokens once over all processes. */
export interface Login extends TokenSource {
  /** @param options `context` is passed to `emit` with the events of a refresh that this call starts. */
  accessToken(options?: AccessTokenOptions & { readonly context?: unknown }): Promise<string>
  /** Name of the login in the store: a hash, no secret. */
  readonly key: string
  readonly record: LoginRecord
}

export interface ListedLogin extends Login {
  /** The last use that extended the idle time, in milliseconds since the epoch. */
  readonly lastUsedAt: number
}

export interface NewLogin {
  readonly client: QlikClient
  readonly user: QlikUser
  readonly tokens: TokenSet
  readonly device?: LoginDevice
  /** The user of the application's own login, as a hash. */
  readonly applicationUser?: string | undefined
}

/** What an owner recognises a login by. */
export type LoginDevice = Pick<LoginRecord, 'address' | 'userAgent'>

/** The logins of one application. Guards, proxies and sockets all use it, so that they agree on who is logged in. */
export interface Logins {
  /** Returns the login and starts its idle time anew; `undefined` when there is none. */
  find(key: string): Promise<Login | undefined>
  /** Returns the login without extending its idle time. */
  peek(key: string): Promise<Login | undefined>
  /** @param context Passed to `emit` with the event. */
  create(key: string, login: NewLogin, context?: unknown): Promise<Login>
  /**
   * Continues a login under another key; it ends under the old one. A login of another user of the application ends.
   *
   * @param applicationUser The user of the application's own login, to whom the login belongs from now on; a hash.
   * @param context Passed to `emit` with the events.
   * @returns False when there is no login, or it has ended.
   */
  move(from: string, to: string, applicationUser: string, context?: unknown): Promise<boolean>
  /**
   * Ends a login in every process and revokes its tokens at the tenant.
   *
   * @param context Passed to `emit` with the events.
   * @returns False when it had ended already.
   */
  end(key: string, reason: LoginEndReason, context?: unknown): Promise<boolean>
  /** Lists the logins of a user. Those that are sealed with an unknown key are left out; the store reports them. */
  list(tenant: string, userId: string): Promise<readonly ListedLogin[]>
  /** Calls `listener` once when the login ends, in any process. @returns A function that removes the listener. */
  onEnd(login: Login, listener: () => void): () => void
  close(): Promise<void>
}

/** Derives the key of a login from the session id, so that one read finds it and the store does not reveal cookies. */
export function loginKey(sessionId: string): string {
  return sha256(sessionId)
}

export function createLogins(options: LoginsOptions): Logins {
  const { store, clientOf, emit, idleSeconds = 1800, absoluteSeconds = 43_200, now = Date.now } = options
  // Varies by process, so that they do not all find a token due at the same moment.
  const leewayMs = (options.refreshLeewaySeconds ?? defaultRefreshLeewaySeconds) * 1000 * (0.8 + Math.random() * 0.2)
  const leaseMs = options.refreshLeaseMs ?? 5000
  const refresh = refreshLogins({ store, clientOf, emit, end, leewayMs, leaseMs, now })
  const caches = (options.cacheSeconds ?? 0) > 0
  const cache = loginCache<Login>((options.cacheSeconds ?? 0) * 1000, now)
  const notifier = loginEndNotifier({
    store,
    now,
    onChange: ({ key }) => cache.delete(key),
    onGap: () => cache.clear(),
    onExpired: expireInBackground,
  })
  if (caches) notifier.subscribe()
  const maxLoginsPerUser = options.maxLoginsPerUser ?? 0
  /** Of endings that no caller waits for. */
  const completions = new Set<Promise<void>>()
  const endingLeaseMs = options.endingLeaseMs ?? defaultEndingLeaseMs
  const accepts = (record: LoginRecord) => clientOf(record) !== undefined
  const stopSweeping = endingSweep({
    store,
    accepts,
    report: ending => report(ending),
    revoke: ending => revoke(ending),
    leaseMs: endingLeaseMs,
    intervalMs: options.sweepIntervalMs ?? 15_000,
  })

  async function read(key: string, idle?: number): Promise<Login | undefined> {
    const stored = await store.readLogin(key, idle)
    if (stored === undefined) return undefined
    if (stored.record.endsAt <= now()) {
      expireInBackground(key)
      return undefined
    }
    return toLogin(key, stored)
  }

  /** The caller does not wait for the tenant to revoke the tokens. */
  function expireInBackground(key: string): void {
    end(key, 'expired').catch(() => {})
  }

  function toLogin(key: string, initial: StoredLogin): Login {
    let stored = initial
    return {
      key,
      tenant: initial.record.tenant,
      client: clientOf(initial.record),
      get record() {
        return stored.record
      },
      async accessToken({ rejected, context } = {}) {
        const { tokens } = stored.record
        if (tokens.accessToken === rejected || needsRefresh(tokens, now(), leewayMs))
          stored = await refresh(key, stored, rejected, context)
        return stored.record.tokens.accessToken
      },
    }
  }

  async function end(key: string, reason: LoginEndReason, context?: unknown): Promise<boolean> {
    const ending = await begin(key, reason, context)
    if (ending === undefined) return false
    await complete(ending, context)
    return true
  }

  /** Ends the login and reports it. */
  async function begin(key: string, reason: LoginEndReason, context: unknown): Promise<LoginEnding | undefined> {
    cache.delete(key)
    // A record of another key ring is another deployment's: its session may go, the record stays.
    const ending = await store.endLogin(key, reason, endingLeaseMs).catch(ignoreForeign)
    notifier.notify(key)
    if (ending !== undefined) report(ending.record.endsAt <= now() ? { ...ending, reason: 'expired' } : ending, context)
    return ending
  }

  async function complete(ending: LoginEnding, context: unknown): Promise<void> {
    // Otherwise a process that has the client takes it over.
    if (!accepts(ending.record)) return
    await revoke(ending, context)
    await store.completeEnding(ending).catch(() => {})
  }

  async function abandon(ending: LoginEnding, context?: unknown): Promise<void> {
    report(ending, context)
    await complete(ending, context)
  }

  /** Forgets a login that has left its key. */
  function left(key: string): void {
    cache.delete(key)
    notifier.notify(key)
  }

  /** Reports each ending once over all processes. When a process dies in between, another may report it again. */
  function report(ending: LoginEnding, context?: unknown): void {
    const { key, record, reason, reported } = ending
    cache.delete(key)
    notifier.notify(key)
    if (reported) return
    emit('loginEnded', { login: key, user: record.user, tenant: record.tenant, reason }, context)
    store.markReported(ending).catch(() => {})
  }

  async function revoke({ key, record }: LoginEnding, context?: unknown): Promise<void> {
    const client = clientOf(record)
    if (client === undefined) return
    await revokeTokens(client, record.tokens, message =>
      emit('revocationFailed', { login: key, tenant: record.tenant, message }, context),
    )
  }

  async function list(tenant: string, userId: string): Promise<readonly ListedLogin[]> {
    const keys = await store.loginKeys(tenant, userId)
    const logins = await Promise.all(
      keys.map(async key => {
        const [login, idleLeftMs] = await Promise.all([read(key).catch(ignoreForeign), store.idleLeft(key)])
        const usedAt = now() - (idleSeconds * 1000 - idleLeftMs)
        return login && Object.assign(login, { lastUsedAt: Math.min(Math.max(usedAt, login.record.createdAt), now()) })
      }),
    )
    return logins.filter(login => login !== undefined)
  }

  /** The caller waits until the logins have ended, not until the tenant has revoked their tokens. */
  async function endBeyondLimit({ tenant, clientId, user }: LoginRecord, context: unknown): Promise<void> {
    const ofClient = (await list(tenant, user.id)).filter(({ record }) => record.clientId === clientId)
    const begun = beyondLimit(ofClient, maxLoginsPerUser).map(({ key }) => begin(key, 'login_limit', context))
    for (const ending of await Promise.all(begun)) {
      if (ending === undefined) continue
      const completion: Promise<void> = complete(ending, context).finally(() => completions.delete(completion))
      completions.add(completion)
    }
  }

  return {
    async find(key) {
      if (!caches) return read(key, idleSeconds)
      const cached = notifier.subscribe().confirmed ? cache.get(key) : undefined
      if (cached !== undefined) return cached
      const generation = cache.generation()
      const login = await read(key, idleSeconds)
      if (login !== undefined) cache.set(login, generation)
      return login
    },
    peek: key => read(key),
    async create(key, { client, user, tokens, device, applicationUser }, context) {
      const createdAt = now()
      const record: LoginRecord = {
        tenant: client.tenant,
        clientId: client.clientId,
        user,
        tokens,
        ...device,
        createdAt,
        refreshedAt: createdAt,
        endsAt: createdAt + absoluteSeconds * 1000,
        ...(applicationUser === undefined ? {} : { applicationUser }),
      }
      await store.createLogin(key, record, idleSeconds)
      emit('login', { login: key, user, tenant: client.tenant }, context)
      // The login stands when the others cannot be ended; the next one ends them.
      if (maxLoginsPerUser > 0) await endBeyondLimit(record, context).catch(() => {})
      return toLogin(key, { record, version: 1 })
    },
    move: moveLogins({ store, emit, end, abandon, left, idleSeconds, leaseMs, endingLeaseMs }),
    end,
    list,
    onEnd: notifier.onEnd,
    async close() {
      await Promise.all([notifier.close(), stopSweeping(), ...completions])
    },
  }
}
