import { createHmac, randomBytes } from 'node:crypto'
import { keyRing, sha256 } from 'qlik-oauth/internal'
import type { SessionSecret } from '../cookies/session-cookie.ts'

/**
 * Content of the `state` parameter, sealed: enough to start the login again when its authorization transaction is gone.
 */
export interface AuthorizationState {
  /** Unique; unlike the text of `state`, whose encoding leaves room for variants. */
  readonly id: string
  /** As browsers see it; empty for `home`. */
  readonly returnTo: string
  /** Hash of the transaction cookie. */
  readonly cookieHash: string
  /**
   * For the login of a frame: hash of the transaction cookie of the window where it happens. `cookieHash` is that of the
   * frame.
   */
  readonly windowHash?: string
  /** How many times the login was started again because its transaction was gone. */
  readonly restarts: number
  /** Seconds since the epoch. */
  readonly issuedAt: number
}

export interface AuthorizationStates {
  /** @returns A text that never repeats. */
  seal(state: Omit<AuthorizationState, 'id' | 'issuedAt'>): string
  /** @returns `undefined` for a value that this application did not issue. */
  unseal(state: string): AuthorizationState | undefined
}

/** @param secrets The session's secrets, newest first; the keys of the seal are derived from them. */
export function authorizationStates(secrets: readonly SessionSecret[]): AuthorizationStates {
  const ring = keyRing(secrets.map(secret => createHmac('sha256', secret).update('qlik-oauth login state').digest()))

  return {
    seal({ returnTo, cookieHash, restarts, windowHash }) {
      // Servers limit the length of a URL. The transaction keeps the whole path; only a restart falls back to `home`.
      const shortPath = returnTo.length <= 512 ? returnTo : ''
      const id = randomBytes(16).toString('base64url')
      const issuedAt = Math.floor(Date.now() / 1000)
      return ring.seal(JSON.stringify([id, shortPath, cookieHash, restarts, issuedAt, windowHash]), 'state')
    },
    unseal(state) {
      const text = ring.unseal(state, 'state')
      if (text === undefined) return undefined
      const [id, returnTo, cookieHash, restarts, issuedAt, windowHash]: unknown[] = JSON.parse(text)
      return {
        id: String(id),
        returnTo: String(returnTo),
        cookieHash: String(cookieHash),
        restarts: Number(restarts),
        ...(typeof windowHash === 'string' ? { windowHash } : {}),
        issuedAt: Number(issuedAt ?? 0),
      }
    },
  }
}

/** Key of the authorization transaction in the store. */
export function transactionKey(state: string): string {
  return sha256(state)
}
