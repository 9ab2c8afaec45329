import type { QlikUser } from '../protocol/qlik-user.ts'
import type { TokenSet } from '../protocol/token-set.ts'

/** The login of one user in one browser. Times are milliseconds since the epoch. */
export interface LoginRecord {
  /** Origin of the tenant. */
  readonly tenant: string
  readonly clientId: string
  readonly user: QlikUser
  readonly tokens: TokenSet
  /** Address and user agent of the browser at the login, for the list of logins. */
  readonly address?: string
  readonly userAgent?: string
  readonly createdAt: number
  /** Equals `createdAt` until the first refresh. */
  readonly refreshedAt: number
  /** Absolute end: the login ends then, however active it is. */
  readonly endsAt: number
  /** The user of the application's own login to whom the login belongs, as a hash. */
  readonly applicationUser?: string
}

/**
 * Why a login ended. `expired` is the idle or the absolute end, `replaced` another login in the same browser,
 * `login_limit` a login beyond the limit of logins per user, `refresh_refused` a refresh token that is no longer valid,
 * `user_disabled` a refresh that the tenant refused because the user is disabled.
 */
export type LoginEndReason = (typeof loginEndReasons)[number]

export const loginEndReasons = [
  'logout',
  'administrator',
  'replaced',
  'login_limit',
  'session_destroyed',
  'refresh_refused',
  'user_disabled',
  'expired',
] as const

/**
 * The end of a login, which is to be reported and whose tokens are to be revoked. It has one owner at a time: the
 * caller that got it, until it completes it or its lease runs out.
 */
export interface LoginEnding {
  /** Distinguishes endings of the same key. */
  readonly id: string
  readonly key: string
  readonly record: LoginRecord
  readonly reason: LoginEndReason
  /** Whether a former owner has reported it. */
  readonly reported: boolean
}

export interface StoredLogin {
  readonly record: LoginRecord
  /** 1 at first; each replacement adds one. */
  readonly version: number
}

/** One authorization request that awaits its authorization response. */
export interface AuthorizationTransaction {
  readonly tenant: string
  readonly clientId: string
  readonly codeVerifier: string
  readonly redirectUri: string
  readonly returnTo: string
  /** Hash of the transaction cookie of the browser that sent the authorization request. */
  readonly cookieHash: string
}

export type LoginChange = { readonly type: 'ended' | 'changed'; readonly key: string }

/** Delivers announcements of ended and changed logins, also those of other processes. */
export interface LoginChangeSubscription {
  /** False while announcements may be lost; nothing may be served from a cache then. */
  readonly confirmed: boolean
  close(): Promise<void>
}

export interface StoreLock {
  /** Starts the lease anew. @returns False when the lease has run out; another process may hold the lock. */
  renew(): Promise<boolean>
  /** @param backoffMs For how long `lock` returns `'backoff'` from now on, because the task failed. @default 0 */
  release(backoffMs?: number): Promise<void>
}

/**
 * Where logins and tokens live: `redisLoginStore` for many processes, `memoryLoginStore` for one.
 *
 * Keys are opaque strings without secrets (hashes). Every method throws ERR_STORE_UNAVAILABLE when the store does not
 * respond in time. `loginStoreContract` of `qlik-oauth/login-store-contract` checks an implementation.
 */
export interface LoginStore {
  saveTransaction(key: string, transaction: AuthorizationTransaction, ttlSeconds: number): Promise<void>
  /**
   * Reads and deletes in one step: of concurrent callers exactly one gets the transaction.
   *
   * @throws ERR_STORE_UNAVAILABLE also for a transaction that another deployment has sealed with keys of its own. It is
   * not deleted.
   */
  takeTransaction(key: string): Promise<AuthorizationTransaction | undefined>

  /** Writes a new login with version 1 and adds it to the list of its user. */
  createLogin(key: string, record: LoginRecord, idleSeconds: number): Promise<void>
  /**
   * @param idleSeconds Starts the idle time anew, at most once per tenth of it. Without it nothing is written.
   * @returns `undefined` for a login that is unknown, ended, past its idle end, or unreadable; an unreadable one is
   * deleted.
   * @throws ERR_STORE_UNAVAILABLE also for a login that another deployment has sealed with keys of its own.
   */
  readLogin(key: string, idleSeconds?: number): Promise<StoredLogin | undefined>
  /**
   * Replaces the record if `version` is still the stored one, and announces the change. The idle end stays.
   *
   * @returns `'changed'` when another version is stored, `'gone'` when the login has ended.
   */
  replaceLogin(key: string, version: number, record: LoginRecord): Promise<'replaced' | 'changed' | 'gone'>
  /**
   * Ends the login and announces it. Of concurrent callers exactly one gets the ending.
   *
   * @param leaseMs After this time another process takes the ending over, unless it is completed or renewed. @default
   * 30000
   * @returns `undefined` also for a login past its idle end: `takeEnded` ends it.
   * @throws ERR_STORE_UNAVAILABLE also for a login that another deployment has sealed with keys of its own. After a lost
   * response the login may have ended; `takeEnded` gives the ending to a process once the lease has run out.
   */
  endLogin(key: string, reason: LoginEndReason, leaseMs?: number): Promise<LoginEnding | undefined>
  /**
   * Ends the logins whose idle or absolute end has passed, announces it, and takes over the endings whose lease has run
   * out. Of concurrent callers exactly one gets each ending. Called every few seconds by every process; the cost of a
   * call is bounded, and a call may leave endings for the next one. An ending that is not completed within a day is
   * dropped.
   *
   * @param accepts Whether the caller can revoke the tokens of this login. Others are left to other processes for five
   * minutes, then taken nevertheless.
   * @param leaseMs As for `endLogin`.
   */
  takeEnded(accepts?: (record: LoginRecord) => boolean, leaseMs?: number): Promise<readonly LoginEnding[]>
  /** Notes that the ending was reported, for the case that another process has to take it over. */
  markReported(ending: LoginEnding): Promise<void>
  /** Starts the leases anew. */
  renewEndings(endings: readonly LoginEnding[], leaseMs?: number): Promise<void>
  /** Deletes the ending: it was reported, and its tokens were revoked as far as possible. */
  completeEnding(ending: LoginEnding): Promise<void>
  /** Milliseconds until the idle end; 0 when the login is gone. */
  idleLeft(key: string): Promise<number>
  /** Keys of the logins of one user at one tenant. The list may contain keys of ended logins. */
  loginKeys(tenant: string, userId: string): Promise<readonly string[]>

  /**
   * Saves tokens that belong to no login (machine-to-machine, impersonation, anonymous) until they expire; expired ones
   * are not saved.
   */
  saveTokens(key: string, tokens: TokenSet): Promise<void>
  readTokens(key: string): Promise<TokenSet | undefined>

  /**
   * Acquires a lock that has one holder at a time over all processes and ends after `leaseMs` unless renewed.
   *
   * @returns `'held'` while another holder has it, `'backoff'` after a release that asked for it.
   */
  lock(key: string, leaseMs: number): Promise<StoreLock | 'held' | 'backoff'>
  /** Adds one to a counter that starts anew after each window. @returns The count in the current window. */
  increment(key: string, windowSeconds: number): Promise<number>
  /** @param onGap Called when announcements may have been missed: cached logins must be read again. */
  subscribe(onChange: (change: LoginChange) => void, onGap: () => void): LoginChangeSubscription
  /** Resolves when the store responds. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Longer than a revocation and the pause between two sweeps. */
export const defaultEndingLeaseMs = 30_000
