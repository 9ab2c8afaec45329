import { unlessAborted } from '../protocol/abort.ts'
import { checkClient, type QlikClient } from '../protocol/client.ts'
import type { Grant } from '../protocol/grants.ts'
import { sha256 } from '../protocol/hash.ts'
import {
  hasMethods,
  invalidOption,
  optionalFunction,
  rejectUnknownOptions,
  wholeNumber,
} from '../protocol/option-checks.ts'
import { requestTokens, type TokenRequestOptions } from '../protocol/token-endpoint.ts'
import { defaultRefreshLeewaySeconds, needsRefresh, type TokenSet } from '../protocol/token-set.ts'
import type { LoginStore } from '../stores/login-store.ts'
import { singleFlight } from '../stores/single-flight.ts'
import type { TokenSource } from './token-source.ts'

/** Options of every token source whose tokens belong to no login. */
export interface SharedTokenOptions {
  readonly client: QlikClient
  /** Shares one token between processes; one of them renews it. */
  readonly store: TokenCache
  /** Seconds before its expiry at which a token is renewed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /** Milliseconds after which the lock of a process that died is free; renewed during a token request. @default 5000 */
  readonly leaseMs?: number
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
}

/** The part of a login store that holds tokens without a login. */
export type TokenCache = Pick<LoginStore, 'saveTokens' | 'readTokens' | 'lock'>

export interface CachedTokensOptions extends SharedTokenOptions {
  readonly grant: Grant
  /** What distinguishes the token beside host, client, grant type and scope: the user it stands for. */
  readonly holder?: string
  readonly request?: Pick<TokenRequestOptions, 'endpoint' | 'json'>
}

/**
 * A token source over tokens that can be requested again at any time, without a refresh token.
 *
 * All processes share one token. When it is due, one process requests the next and the others read that. While the old
 * token is valid, a failed request causes no error. Without the store, each process uses its own copy until it expires.
 */
export function cachedTokens(options: CachedTokensOptions): TokenSource {
  const { client, store, grant, holder = '', request = {}, now = Date.now } = options
  const leewayMs =
    wholeNumber('refreshLeewaySeconds', options.refreshLeewaySeconds, defaultRefreshLeewaySeconds, 0) * 1000
  const leaseMs = wholeNumber('leaseMs', options.leaseMs, defaultLeaseMs)
  const key = tokenKey(client, grant, holder)
  const once = singleFlight<TokenSet>({ store, leaseMs, waitMs: maxWaitMs })
  let cached: TokenSet | undefined
  let rejectedToken: string | undefined
  /** The token that replaced a rejected one. */
  let replacement: { readonly accessToken: string; readonly at: number } | undefined

  const usable = (tokens: TokenSet) => tokens.accessToken !== rejectedToken && tokens.expiresAt > now()
  const fresh = (tokens: TokenSet) => usable(tokens) && !needsRefresh(tokens, now(), leewayMs)
  const work = {
    async lookup() {
      const stored = await store.readTokens(key)
      return stored !== undefined && fresh(stored) ? stored : undefined
    },
    async execute() {
      const tokens = await requestTokens(client, grant, { ...request, now })
      // A token that cannot be stored still serves this process.
      await store.saveTokens(key, tokens).catch(() => {})
      return tokens
    },
  }

  async function renew(rejected: string | undefined): Promise<TokenSet> {
    try {
      cached = await once(key, work)
      // The lookup of a shared flight may have run before the token was rejected.
      if (cached.accessToken === rejectedToken) cached = await once(key, work)
      if (rejected !== undefined) replacement = { accessToken: cached.accessToken, at: now() }
      return cached
    } catch (error) {
      if (cached !== undefined && usable(cached)) return cached
      throw error
    }
  }

  /** A caller whose rejected token is an older one gets the current token. */
  function shouldRenew(accessToken: string): boolean {
    if (cached !== undefined && cached.accessToken !== accessToken) return false
    // The resource rejects every token: renewing again cannot help.
    return replacement?.accessToken !== accessToken || now() >= replacement.at + replacementPauseMs
  }

  return {
    tenant: client.tenant,
    client,
    async accessToken({ rejected, signal } = {}) {
      signal?.throwIfAborted()
      if (rejected !== undefined && shouldRenew(rejected)) rejectedToken = rejected
      const tokens = cached !== undefined && fresh(cached) ? cached : await unlessAborted(renew(rejected), signal)
      return tokens.accessToken
    },
  }
}

const defaultLeaseMs = 5000
/** Longer than the token endpoint's own limit plus three leases: the holder of the lock may still succeed. */
const maxWaitMs = 45_000

/** How long a token that replaced a rejected one is not renewed for being rejected itself. */
const replacementPauseMs = 60_000

/** Includes the host, because a client id is valid on many hosts. Hashed, because a subject is personal data. */
function tokenKey({ tenant, clientId }: QlikClient, { grant_type, scope = '' }: Grant, holder: string): string {
  return sha256(JSON.stringify([tenant, clientId, grant_type, scope, holder]))
}

/**
 * Checks the options of a token source.
 *
 * @param name The function, as in "machineTokens has no option …".
 * @param ownOptions The options beside the shared ones.
 * @throws ERR_CONFIGURATION
 */
export function checkTokenOptions(name: string, options: SharedTokenOptions, ownOptions: readonly string[]): void {
  rejectUnknownOptions(name, options, [...sharedOptions, ...ownOptions])
  checkClient(options.client)
  if (!hasMethods(options.store, storeMethods)) {
    const expected = `a store with the methods ${storeMethods.join(', ')}, such as redisLoginStore(…)`
    throw invalidOption('store', expected, options.store)
  }
  optionalFunction('now', options.now, 'that returns milliseconds')
  wholeNumber('refreshLeewaySeconds', options.refreshLeewaySeconds, defaultRefreshLeewaySeconds, 0)
  wholeNumber('leaseMs', options.leaseMs, defaultLeaseMs)
}

const sharedOptions: readonly (keyof SharedTokenOptions)[] = [
  'client',
  'store',
  'refreshLeewaySeconds',
  'leaseMs',
  'now',
]
const storeMethods = Object.keys({ saveTokens: true, readTokens: true, lock: true } satisfies Record<
  keyof TokenCache,
  true
>)
