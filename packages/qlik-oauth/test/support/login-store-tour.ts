import { randomUUID } from 'node:crypto'
import type { AuthorizationTransaction, LoginEnding, LoginRecord, LoginStore } from '../../src/index.ts'

/** Values that must not appear in a dump, an error or an event. */
export const secrets = {
  accessToken: 'secret-access-token',
  refreshToken: 'secret-refresh-token',
  codeVerifier: 'secret-code-verifier',
}

const { accessToken, refreshToken, codeVerifier } = secrets

export function sampleTransaction(): AuthorizationTransaction {
  const redirectUri = 'https://app.example/auth/callback'
  return {
    tenant: 'https://acme.example',
    clientId: 'client',
    codeVerifier,
    redirectUri,
    returnTo: '/',
    cookieHash: 'hash',
  }
}

export function sampleTokens() {
  return { accessToken, refreshToken, issuedAt: Date.now(), expiresAt: Date.now() + 3_600_000 }
}

export function sampleLogin(userId: string = randomUUID()): LoginRecord {
  const now = Date.now()
  const identity = {
    tenant: 'https://acme.example',
    clientId: 'client',
    user: { id: userId, email: 'zoe@example.com' },
    tokens: sampleTokens(),
  }
  return { ...identity, createdAt: now, refreshedAt: now, endsAt: now + 43_200_000 }
}

function sampleEnding(key: string): LoginEnding {
  return { id: randomUUID(), key, record: sampleLogin(), reason: 'logout', reported: false }
}

/** One call of every method that sends a command to the store. */
export function everyCall(store: LoginStore, key: string = randomUUID()): Record<string, () => Promise<unknown>> {
  return {
    saveTransaction: () => store.saveTransaction(key, sampleTransaction(), 600),
    takeTransaction: () => store.takeTransaction(key),
    createLogin: () => store.createLogin(key, sampleLogin(), 1800),
    readLogin: () => store.readLogin(key, 1800),
    replaceLogin: () => store.replaceLogin(key, 1, sampleLogin()),
    endLogin: () => store.endLogin(key, 'logout'),
    takeEnded: () => store.takeEnded(),
    markReported: () => store.markReported(sampleEnding(key)),
    renewEndings: () => store.renewEndings([sampleEnding(key)]),
    completeEnding: () => store.completeEnding(sampleEnding(key)),
    idleLeft: () => store.idleLeft(key),
    loginKeys: () => store.loginKeys('https://acme.example', 'user'),
    saveTokens: () => store.saveTokens(key, sampleTokens()),
    readTokens: () => store.readTokens(key),
    lock: () => store.lock(key, 5000),
    increment: () => store.increment(key, 60),
    ping: () => store.ping(),
  }
}

/** The life of one login, from the transaction to the logout. @throws When a step has an unexpected result. */
export async function tour(store: LoginStore): Promise<void> {
  const key = randomUUID()
  const record = sampleLogin()
  const { tenant, user } = record

  await store.saveTransaction(key, sampleTransaction(), 600)
  expectEqual((await store.takeTransaction(key))?.codeVerifier, codeVerifier)
  await store.createLogin(key, record, 1800)
  expectEqual((await store.readLogin(key, 1800))?.version, 1)
  const lock = await store.lock(key, 5000)
  if (typeof lock === 'string') throw new Error(`The lock is ${lock}`)
  expectEqual(await lock.renew(), true)
  expectEqual(await store.replaceLogin(key, 1, record), 'replaced')
  await lock.release()
  expectEqual((await store.readLogin(key))?.version, 2)
  expectEqual((await store.idleLeft(key)) > 0, true)
  expectEqual((await store.loginKeys(tenant, user.id)).join(), key)
  const ending = await store.endLogin(key, 'logout')
  expectEqual(ending?.record.user.id, user.id)
  if (ending === undefined) return
  await store.markReported(ending)
  await store.completeEnding(ending)
  expectEqual(await store.readLogin(key), undefined)
  // The list may still name logins that have ended, for instance after a failover.
  for (const listed of await store.loginKeys(tenant, user.id)) expectEqual(await store.readLogin(listed), undefined)
  await store.saveTokens(key, sampleTokens())
  expectEqual((await store.readTokens(key))?.accessToken, accessToken)
  expectEqual(await store.increment(key, 60), 1)
}

function expectEqual(received: unknown, expected: unknown): void {
  if (received !== expected) throw new Error(`Expected ${expected}, received ${received}`)
}
