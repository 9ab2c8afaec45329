import { createHash, randomBytes } from 'node:crypto'
import { keyRing } from 'qlik-oauth/internal'

/**
 * What travels through the tenant and back in `state`, sealed: enough to start again cleanly when the attempt itself is
 * gone.
 */
export interface LoginState {
  readonly returnTo: string
  /** Hash of the browser cookie the attempt is bound to. */
  readonly browser: string
  /** How often the login was started again because its attempt was gone. */
  readonly restarts: number
}

export interface LoginStates {
  seal(state: LoginState): string
  /** @returns `undefined` for everything that this application did not issue. */
  open(state: string): LoginState | undefined
}

/** @param secrets The session's secrets, newest first; the keys of the seal are derived from them. */
export function loginStates(secrets: readonly string[]): LoginStates {
  const seal = keyRing(
    secrets.map(secret => createHash('sha256').update('qlik-oauth login state\0').update(secret).digest()),
  )

  return {
    seal({ returnTo, browser, restarts }) {
      // Whoever waits until the attempt is gone gets a long return path replaced by the home page: the URL must stay
      // short enough for every server.
      const kept = returnTo.length <= 512 ? returnTo : '/'
      return seal.seal(JSON.stringify([randomBytes(16).toString('base64url'), kept, browser, restarts]), 'state')
    },
    open(state) {
      const text = seal.unseal(state, 'state')
      if (text === undefined) return undefined
      const [, returnTo, browser, restarts]: unknown[] = JSON.parse(text)
      return { returnTo: String(returnTo), browser: String(browser), restarts: Number(restarts) }
    },
  }
}

/** Name of the attempt in the store. */
export function transactionKey(state: string): string {
  return createHash('sha256').update(state).digest('base64url')
}
