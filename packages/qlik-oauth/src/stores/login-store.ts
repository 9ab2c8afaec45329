import type { QlikUser } from '../protocol/qlik-user.ts'
import type { TokenSet } from '../protocol/token-set.ts'

/** One login of one user in one browser. */
export interface LoginRecord {
  /** Origin of the tenant. */
  readonly tenant: string
  readonly clientId: string
  readonly user: QlikUser
  readonly tokens: TokenSet
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch; equals `createdAt` until the first refresh. */
  readonly refreshedAt: number
  /** Milliseconds since the epoch at which the login ends however active it is. */
  readonly endsAt: number
}

export interface StoredLogin {
  readonly record: LoginRecord
  /** Grows by one with each replacement. */
  readonly version: number
}

/** One login attempt, from the authorization request to the authorization response. */
export interface AuthorizationTransaction {
  readonly tenant: string
  readonly clientId: string
  readonly codeVerifier: string
  readonly redirectUri: string
  readonly returnTo: string
  /** Hash of the cookie of the browser that started the attempt. */
  readonly browser: string
}

export type LoginChange = { readonly type: 'ended' | 'changed'; readonly key: string }

/** Announcements of ended and changed logins, also those of other processes. */
export interface ChangeSubscription {
  /** False while announcements may be getting lost; whoever keeps copies drops them then. */
  readonly confirmed: boolean
  close(): Promise<void>
}

export interface Lock {
  /** @returns False when the lease ran out and somebody else may hold the lock. */
  renew(): Promise<boolean>
  /**
   * @param coolMs How long `lock` answers `'cooling'` from now on: the work failed, and others should not try at once.
   */
  release(coolMs?: number): Promise<void>
}

/**
 * Where logins and tokens live. The second seam of the house: `redisLoginStore` for many processes, `memoryLoginStore`
 * for one.
 *
 * Keys are opaque texts without secrets (hashes). Every method throws ERR_STORE_UNAVAILABLE when the store does not
 * answer in time. `loginStoreContract` checks an implementation.
 */
export interface LoginStore {
  saveTransaction(key: string, attempt: AuthorizationTransaction, ttlSeconds: number): Promise<void>
  /** Reads and deletes in one step: of two callers at once exactly one gets the attempt. */
  takeTransaction(key: string): Promise<AuthorizationTransaction | undefined>

  /** Writes a new login with version 1 and enters it into its owner's list. */
  createLogin(key: string, record: LoginRecord, idleSeconds: number): Promise<void>
  /**
   * @param idleSeconds When given, the idle time starts anew. Without it nothing is written.
   * @returns `undefined` for a login that is unknown, ended, or cannot be read; what cannot be read is deleted.
   */
  readLogin(key: string, idleSeconds?: number): Promise<StoredLogin | undefined>
  /** Replaces the record only where `version` is still the stored one. Keeps the idle end. Announces the change. */
  replaceLogin(key: string, version: number, record: LoginRecord): Promise<'replaced' | 'changed' | 'gone'>
  /** Deletes the login and announces it. Of two callers at once exactly one gets the record. */
  endLogin(key: string): Promise<LoginRecord | undefined>
  /** Milliseconds until the idle end; 0 when the login is gone. */
  idleLeft(key: string): Promise<number>
  /** Keys of the logins of one user at one tenant; may hold keys of logins that are gone. */
  loginKeys(tenant: string, userId: string): Promise<readonly string[]>

  /** Tokens that belong to no login: machine-to-machine, impersonation, anonymous. */
  saveTokens(key: string, tokens: TokenSet): Promise<void>
  readTokens(key: string): Promise<TokenSet | undefined>

  /** One holder at a time over all processes; ends by itself after `leaseMs` unless renewed. */
  lock(key: string, leaseMs: number): Promise<Lock | 'held' | 'cooling'>
  /** Counts a use of `key` and returns how many there were in the current window. */
  increment(key: string, windowSeconds: number): Promise<number>
  /** @param lost Called when announcements may have been missed: everything known must be looked up again. */
  subscribe(listener: (change: LoginChange) => void, lost: () => void): ChangeSubscription
  /** Resolves when the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}
