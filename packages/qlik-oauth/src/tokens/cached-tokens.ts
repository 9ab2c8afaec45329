import { createHash } from 'node:crypto'
import { unlessAborted } from '../protocol/abort.ts'
import type { QlikClient } from '../protocol/client.ts'
import type { Grant } from '../protocol/grants.ts'
import { requestTokens, type TokenRequestOptions } from '../protocol/token-endpoint.ts'
import { needsRefresh, type TokenSet } from '../protocol/token-set.ts'
import type { LoginStore } from '../stores/login-store.ts'
import { singleFlight } from '../stores/single-flight.ts'
import type { TokenSource } from './token-source.ts'

/** What every source of tokens that belong to no login needs. */
export interface SharedTokenOptions {
  readonly client: QlikClient
  /** Shared by all processes: they use one token, and one of them renews it. */
  readonly store: TokenCache
  /** How long before its end a token is renewed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /** Lease of the lock around a token request; renewed while the token endpoint is slow. @default 5000 */
  readonly leaseMs?: number
  readonly now?: () => number
}

/** The part of a login store that is used here. */
export type TokenCache = Pick<LoginStore, 'saveTokens' | 'readTokens' | 'lock'>

export interface CachedTokensOptions extends SharedTokenOptions {
  readonly grant: Grant
  /** Whom the token stands for, beside host, client, grant type and scope: what makes it another token. */
  readonly holder?: string
  readonly request?: Pick<TokenRequestOptions, 'endpoint' | 'json'>
}

/**
 * A token source over tokens that can be asked for again at any time: no login holds them, and no refresh token comes
 * with them.
 *
 * All processes share one token. When it is due exactly one of them requests the next; the others read that one. A
 * request that failed leaves nothing behind but a short pause, and while the old token lasts it is used. Without the
 * store the copy in this process serves until its end.
 */
export function cachedTokens(options: CachedTokensOptions): TokenSource {
  const { client, store, grant, holder = '', request = {}, leaseMs = 5000, now = Date.now } = options
  const leewayMs = (options.refreshLeewaySeconds ?? 60) * 1000
  const key = tokenKey(client, grant, holder)
  const once = singleFlight<TokenSet>({ store, leaseMs, waitMs: 45_000 })
  let kept: TokenSet | undefined
  let refused: string | undefined

  const lasts = (tokens: TokenSet) => tokens.accessToken !== refused && tokens.expiresAt > now()
  const fresh = (tokens: TokenSet) => lasts(tokens) && !needsRefresh(tokens, now(), leewayMs)
  const work = {
    async lookup() {
      const stored = await store.readTokens(key)
      return stored !== undefined && fresh(stored) ? stored : undefined
    },
    async execute() {
      const tokens = await requestTokens(client, grant, { ...request, now })
      // Whoever asked gets the token even when it cannot be shared.
      await store.saveTokens(key, tokens).catch(() => {})
      return tokens
    },
  }

  async function renewed(): Promise<TokenSet> {
    try {
      kept = await once(key, work)
      // A flight may have read the store before its token was refused.
      if (kept.accessToken === refused) kept = await once(key, work)
      return kept
    } catch (error) {
      if (kept !== undefined && lasts(kept)) return kept
      throw error
    }
  }

  return {
    tenant: client.tenant,
    async accessToken({ rejected, signal } = {}) {
      signal?.throwIfAborted()
      // Of many requests with the same rejected token, the late ones find a newer one here.
      if (rejected !== undefined && (kept === undefined || kept.accessToken === rejected)) refused = rejected
      const tokens = kept !== undefined && fresh(kept) ? kept : await unlessAborted(renewed(), signal)
      return tokens.accessToken
    },
  }
}

/**
 * The same client id is valid on many hosts, so the host is part of the name. A hash, because a subject or an access
 * code is nobody's business.
 */
function tokenKey({ tenant, clientId }: QlikClient, { grant_type, scope = '' }: Grant, holder: string): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, clientId, grant_type, scope, holder]))
    .digest('base64url')
}
