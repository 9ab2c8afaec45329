import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { AuthorizationTransaction, LoginChange, LoginEnding, LoginRecord, LoginStore, TokenSet } from 'qlik-oauth'

/** `describe` and `it` of node:test, jest, vitest, mocha or another runner. */
export interface TestRunner {
  readonly describe: (title: string, body: () => void) => unknown
  readonly it: (title: string, body: () => Promise<void>) => unknown
}

/**
 * Checks that a login store fulfils the contract of `LoginStore`.
 *
 * Every case creates a store and closes it. Keys are random, so that all cases may share one server.
 *
 * @example
 * import { describe, it } from 'node:test'
 * loginStoreContract('our store', () => ourLoginStore(url), { describe, it })
 */
export function loginStoreContract(
  title: string,
  createStore: () => LoginStore | Promise<LoginStore>,
  { describe, it }: TestRunner,
): void {
  describe(title, () => {
    for (const [behaviour, check] of Object.entries(cases)) {
      it(behaviour, async () => {
        const store = await createStore()
        try {
          await check(store, randomUUID())
        } finally {
          await store.close()
        }
      })
    }
  })
}

const cases: Record<string, (store: LoginStore, key: string) => Promise<void>> = {
  async 'returns a transaction once'(store, key) {
    await store.saveTransaction(key, transaction, 60)
    assert.deepEqual(await store.takeTransaction(key), transaction)
    assert.equal(await store.takeTransaction(key), undefined)
  },
  async 'returns no transaction that was never saved'(store, key) {
    assert.equal(await store.takeTransaction(key), undefined)
  },
  async 'gives a transaction to exactly one of many concurrent callers'(store, key) {
    await store.saveTransaction(key, transaction, 60)
    const results = await Promise.all(Array.from({ length: 10 }, () => store.takeTransaction(key)))
    assert.deepEqual(results.filter(Boolean), [transaction])
  },

  async 'returns the login that was created, with version 1'(store, key) {
    const record = login()
    await store.createLogin(key, record, 60)
    assert.deepEqual(await store.readLogin(key), { record, version: 1 })
  },
  async 'keeps every field of a record, including optional fields and non-Latin text'(store, key) {
    const user = { id: 'u', name: 'Zoë 李 🙂', email: 'zoe@example.com', subject: 'idp\\zoe', tenantId: 't' }
    const record = {
      ...login(),
      user,
      address: '2001:db8::1',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64)',
      tokens: { ...tokens(), refreshToken: 'r', scope: 'user_default offline_access' },
    }
    await store.createLogin(key, record, 60)
    assert.deepEqual((await store.readLogin(key))?.record, record)
  },
  async 'returns nothing for a login that was never created'(store, key) {
    assert.equal(await store.readLogin(key), undefined)
    assert.equal(await store.readLogin(key, 60), undefined)
    assert.equal(await store.endLogin(key, 'logout'), undefined)
    assert.equal(await store.idleLeft(key), 0)
    assert.equal(await store.replaceLogin(key, 1, login()), 'gone')
  },
  async 'extends the idle time only for a read with idleSeconds'(store, key) {
    await store.createLogin(key, login(), 60)
    await store.readLogin(key)
    assertBetween(await store.idleLeft(key), 50_000, 60_000)
    await store.readLogin(key, 600)
    assertBetween(await store.idleLeft(key), 590_000, 600_000)
  },

  async 'replaces the expected version, adds one to it, and keeps the idle end'(store, key) {
    await store.createLogin(key, login(), 60)
    const renewed = { ...login(), refreshedAt: Date.now() }
    assert.equal(await store.replaceLogin(key, 1, renewed), 'replaced')
    assert.deepEqual(await store.readLogin(key), { record: renewed, version: 2 })
    assertBetween(await store.idleLeft(key), 50_000, 60_000)
  },
  async 'does not replace another version'(store, key) {
    const record = login()
    await store.createLogin(key, record, 60)
    assert.equal(await store.replaceLogin(key, 2, login()), 'changed')
    assert.deepEqual(await store.readLogin(key), { record, version: 1 })
  },
  async 'lets exactly one of many concurrent callers replace a version'(store, key) {
    await store.createLogin(key, login(), 60)
    const records = Array.from({ length: 10 }, (_, at) => ({ ...login(), refreshedAt: at }))
    const outcomes = await Promise.all(records.map(record => store.replaceLogin(key, 1, record)))
    assert.equal(outcomes.filter(outcome => outcome === 'replaced').length, 1)
    assert.equal(outcomes.filter(outcome => outcome === 'changed').length, 9)
    assert.deepEqual(await store.readLogin(key), { record: records[outcomes.indexOf('replaced')], version: 2 })
  },
  async 'does not bring an ended login back'(store, key) {
    await store.createLogin(key, login(), 60)
    await store.endLogin(key, 'logout')
    assert.equal(await store.replaceLogin(key, 1, login()), 'gone')
    assert.equal(await store.readLogin(key, 60), undefined)
    assert.equal(await store.idleLeft(key), 0)
  },
  async 'ends a login and gives its record to exactly one of many concurrent callers'(store, key) {
    const record = login()
    await store.createLogin(key, record, 60)
    const ended = await Promise.all(Array.from({ length: 10 }, () => store.endLogin(key, 'logout')))
    const endings = ended.filter(ending => ending !== undefined)
    assert.deepEqual(endings, [{ ...endings[0], key, record, reason: 'logout', reported: false }])
    assert.equal(await store.readLogin(key), undefined)
  },
  async 'gives an ending to one other caller when its lease runs out, and again until it is completed'(store, key) {
    const record = login()
    const isOurs = ({ user }: LoginRecord) => user.id === record.user.id
    await store.createLogin(key, record, 60)
    const ending = ended(await store.endLogin(key, 'administrator', 200))
    assert.deepEqual(await store.takeEnded(isOurs), [])
    const taken: LoginEnding[] = []
    await eventually(async () => taken.push(...(await store.takeEnded(isOurs, 200))) > 0)
    assert.deepEqual(taken, [ending])
    await store.markReported(ending)
    const again: LoginEnding[][] = []
    await eventually(async () => {
      again.push(
        ...(await Promise.all(Array.from({ length: 5 }, async () => [...(await store.takeEnded(isOurs, 200))]))),
      )
      return again.flat().length > 0
    })
    assert.deepEqual(again.flat(), [{ ...ending, reported: true }])
    await store.completeEnding(ending)
    // A later ending becomes due after the lease of the first would have run out.
    await store.createLogin(key, record, 60)
    const later = ended(await store.endLogin(key, 'logout', 200))
    const due: LoginEnding[] = []
    await eventually(async () => due.push(...(await store.takeEnded(isOurs))) > 0)
    assert.deepEqual(due, [later])
    await store.completeEnding(later)
  },
  async 'leaves an ending to its owner while the lease is renewed'(store, key) {
    const record = login()
    const isOurs = ({ user }: LoginRecord) => user.id === record.user.id
    await store.createLogin(key, record, 60)
    const ending = ended(await store.endLogin(key, 'logout', 1200))
    for (const end = Date.now() + 1500; Date.now() < end; ) {
      await store.renewEndings([ending], 1200)
      assert.deepEqual(await store.takeEnded(isOurs), [])
    }
    await store.completeEnding(ending)
  },
  async 'completes the ending of a login and leaves a newer login with the same key'(store, key) {
    const record = login()
    const isOurs = ({ user }: LoginRecord) => user.id === record.user.id
    await store.createLogin(key, record, 60)
    const first = ended(await store.endLogin(key, 'logout', 1))
    const newer = { ...record, endsAt: record.endsAt + 1 }
    await store.createLogin(key, newer, 60)
    await store.completeEnding(first)
    assert.deepEqual(await store.readLogin(key), { record: newer, version: 1 })
    assert.deepEqual(await store.loginKeys(record.tenant, record.user.id), [key])
    const second = ended(await store.endLogin(key, 'replaced', 1))
    assert.notEqual(second.id, first.id)
    const taken: LoginEnding[] = []
    await eventually(async () => taken.push(...(await store.takeEnded(isOurs))) > 0)
    assert.deepEqual(taken, [{ ...second, record: newer, reason: 'replaced' }])
    await store.completeEnding(second)
  },
  async 'leaves no login behind when it is replaced and ended concurrently'(store, key) {
    for (let version = 1; version <= 20; version++) {
      await store.createLogin(key, login(), 60)
      await Promise.all([store.replaceLogin(key, 1, login()), store.endLogin(key, 'logout')])
      assert.equal(await store.readLogin(key), undefined)
    }
  },

  async 'ends a login at its idle end: unknown at once, and given to exactly one of many concurrent callers'(
    store,
    key,
  ) {
    const record = login()
    await store.createLogin(key, record, 0.3)
    await store.createLogin(`${key}-active`, login(), 60)
    const announced: string[] = []
    const subscription = store.subscribe(
      change => change.key === key && announced.push(change.type),
      () => {},
    )
    await eventually(async () => subscription.confirmed)
    await eventually(async () => (await store.idleLeft(key)) === 0)
    assert.equal(await store.readLogin(key, 60), undefined)
    assert.equal(await store.replaceLogin(key, 1, login()), 'gone')
    assert.equal(await store.endLogin(key, 'logout'), undefined)
    assert.equal(await store.readLogin(key), undefined)
    const taken = await Promise.all(
      Array.from({ length: 10 }, () => store.takeEnded(({ user }) => user.id === record.user.id)),
    )
    const expired = taken.flat().filter(ending => ending.key === key)
    assert.deepEqual(expired, [{ ...expired[0], key, record, reason: 'expired', reported: false }])
    assert.deepEqual(
      (await store.takeEnded(({ user }) => user.id === record.user.id)).filter(ending => ending.key.startsWith(key)),
      [],
    )
    assert.equal((await store.readLogin(`${key}-active`))?.version, 1)
    await store.completeEnding(ended(expired[0]))
    assert.deepEqual(await store.loginKeys(record.tenant, record.user.id), [])
    await eventually(async () => announced.length > 0)
    assert.deepEqual(announced, ['ended'])
  },
  async 'ends a login at its absolute end, however active it is'(store, key) {
    const record = { ...login(), endsAt: Date.now() + 1000 }
    await store.createLogin(key, record, 60)
    assert.deepEqual(await store.takeEnded(({ user }) => user.id === record.user.id), [])
    assert.equal((await store.readLogin(key, 60))?.version, 1)
    const taken: LoginEnding[] = []
    await eventually(async () => taken.push(...(await store.takeEnded(({ user }) => user.id === record.user.id))) > 0)
    assert.deepEqual(taken, [{ ...taken[0], key, record, reason: 'expired', reported: false }])
    assert.ok(Date.now() >= record.endsAt)
    assert.equal(await store.readLogin(key, 60), undefined)
  },
  async 'does not end a login whose idle time was extended'(store, key) {
    const record = login()
    await store.createLogin(key, record, 0.2)
    await store.readLogin(key, 60)
    await new Promise(resolve => setTimeout(resolve, 300))
    assert.deepEqual(await store.takeEnded(({ user }) => user.id === record.user.id), [])
    assert.equal((await store.readLogin(key))?.version, 1)
  },
  async 'leaves an expired login to a caller that accepts it'(store, key) {
    const record = login()
    await store.createLogin(key, record, 0.1)
    await eventually(async () => (await store.idleLeft(key)) === 0)
    assert.deepEqual(
      (await store.takeEnded(({ user }) => user.id !== record.user.id)).filter(ending => ending.key === key),
      [],
    )
    const taken: LoginEnding[] = []
    await eventually(async () => taken.push(...(await store.takeEnded(({ user }) => user.id === record.user.id))) > 0)
    assert.deepEqual(taken, [{ ...taken[0], key, record, reason: 'expired', reported: false }])
  },

  async 'lists the logins of one user at one tenant'(store, key) {
    const record = login()
    const [first, second, otherUser, otherTenant] = [`${key}-1`, `${key}-2`, `${key}-3`, `${key}-4`]
    await store.createLogin(first, record, 60)
    await store.createLogin(second, record, 60)
    await store.createLogin(otherUser, { ...record, user: { id: randomUUID() } }, 60)
    await store.createLogin(otherTenant, { ...record, tenant: 'https://other.example' }, 60)
    assert.deepEqual([...(await store.loginKeys(record.tenant, record.user.id))].sort(), [first, second])
    await store.completeEnding(ended(await store.endLogin(first, 'logout')))
    assert.deepEqual(await store.loginKeys(record.tenant, record.user.id), [second])
    assert.deepEqual(await store.loginKeys(record.tenant, randomUUID()), [])
  },
  async 'lists all logins that one user created concurrently'(store, key) {
    const record = login()
    const keys = Array.from({ length: 20 }, (_, at) => `${key}-${at}`)
    await Promise.all(keys.map(each => store.createLogin(each, record, 60)))
    assert.deepEqual([...(await store.loginKeys(record.tenant, record.user.id))].sort(), keys.sort())
  },

  async 'keeps tokens that belong to no login'(store, key) {
    const set = tokens()
    assert.equal(await store.readTokens(key), undefined)
    await store.saveTokens(key, { ...set, accessToken: 'older' })
    await store.saveTokens(key, set)
    assert.deepEqual(await store.readTokens(key), set)
  },
  async 'does not return tokens that had expired when they were saved'(store, key) {
    await store.saveTokens(key, { ...tokens(), expiresAt: Date.now() - 1 })
    assert.equal(await store.readTokens(key), undefined)
  },
  async 'keeps transactions, logins, tokens, locks and counters of the same key apart'(store, key) {
    const record = login()
    await store.createLogin(key, record, 60)
    await store.saveTransaction(key, transaction, 60)
    await store.saveTokens(key, tokens())
    await store.lock(key, 60_000)
    await store.increment(key, 60)
    assert.deepEqual((await store.readLogin(key))?.record, record)
    assert.deepEqual(await store.takeTransaction(key), transaction)
    assert.equal(await store.increment(key, 60), 2)
  },

  async 'gives a lock to exactly one of many concurrent callers'(store, key) {
    const locks = await Promise.all(Array.from({ length: 10 }, () => store.lock(key, 60_000)))
    assert.equal(locks.filter(lock => lock === 'held').length, 9)
    assert.equal(locks.filter(lock => typeof lock === 'object').length, 1)
  },
  async 'gives a released lock to the next caller'(store, key) {
    await acquired(await store.lock(key, 60_000)).release()
    await acquired(await store.lock(key, 60_000)).release()
  },
  async 'returns backoff after a release that asks for it'(store, key) {
    await acquired(await store.lock(key, 60_000)).release(200)
    assert.equal(await store.lock(key, 60_000), 'backoff')
    await eventually(async () => typeof (await store.lock(key, 60_000)) === 'object')
  },
  async 'keeps a lock whose lease is renewed'(store, key) {
    const lock = acquired(await store.lock(key, 1200))
    for (const end = Date.now() + 1500; Date.now() < end; ) {
      assert.equal(await lock.renew(), true)
      assert.equal(await store.lock(key, 1200), 'held')
    }
  },
  async 'gives a lock to the next caller when its lease runs out, and tells the former holder'(store, key) {
    const lost = acquired(await store.lock(key, 50))
    await eventually(async () => typeof (await store.lock(key, 60_000)) === 'object')
    assert.equal(await lost.renew(), false)
    await lost.release()
    await lost.release(1000)
    assert.equal(await store.lock(key, 60_000), 'held')
  },

  async 'counts within a window'(store, key) {
    const counts = await Promise.all(Array.from({ length: 10 }, () => store.increment(key, 60)))
    assert.deepEqual(
      counts.sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    )
    assert.equal(await store.increment(`${key}-other`, 60), 1)
  },
  async 'drops transactions, logins, tokens and counters when they expire'(store, key) {
    await store.saveTransaction(key, transaction, 1)
    await store.createLogin(key, login(), 1)
    await store.saveTokens(key, { ...tokens(), expiresAt: Date.now() + 1000 })
    await store.increment(key, 1)
    await eventually(async () => (await store.readLogin(key)) === undefined)
    assert.equal(await store.readLogin(key, 60), undefined)
    assert.equal(await store.idleLeft(key), 0)
    assert.equal(await store.replaceLogin(key, 1, login()), 'gone')
    await eventually(async () => (await store.readTokens(key)) === undefined)
    await eventually(async () => (await store.increment(key, 1)) === 1)
    assert.equal(await store.takeTransaction(key), undefined)
  },

  async 'announces changed and ended logins to subscribers'(store, key) {
    const changes: LoginChange[] = []
    const subscription = store.subscribe(
      change => change.key === key && changes.push(change),
      () => {},
    )
    await eventually(async () => subscription.confirmed)
    await store.createLogin(key, login(), 60)
    await store.readLogin(key, 60)
    await store.replaceLogin(key, 7, login())
    await store.replaceLogin(key, 1, login())
    await store.endLogin(key, 'logout')
    await store.endLogin(key, 'logout')
    await eventually(async () => changes.length >= 2)
    assert.deepEqual(changes, [
      { type: 'changed', key },
      { type: 'ended', key },
    ])
    await subscription.close()
    assert.equal(subscription.confirmed, false)
  },
  async 'announces to each subscriber until it closes'(store, key) {
    const notified: string[] = []
    const first = store.subscribe(
      change => change.key === key && notified.push('first'),
      () => {},
    )
    const second = store.subscribe(
      change => change.key === key && notified.push('second'),
      () => {},
    )
    await eventually(async () => first.confirmed && second.confirmed)
    await first.close()
    assert.equal(second.confirmed, true)
    await store.createLogin(key, login(), 60)
    await store.endLogin(key, 'logout')
    await eventually(async () => notified.length > 0)
    assert.deepEqual(notified, ['second'])
  },
  async 'responds to a ping'(store) {
    await store.ping()
  },
}

const transaction: AuthorizationTransaction = {
  tenant: 'https://acme.example',
  clientId: 'client',
  codeVerifier: 'verifier',
  redirectUri: 'https://app.example/auth/callback',
  returnTo: '/sales?year=2024#top',
  cookieHash: 'hash',
}

function tokens(): TokenSet {
  return { accessToken: randomUUID(), issuedAt: Date.now(), expiresAt: Date.now() + 3_600_000 }
}

/** The login of a user that no other case uses. */
function login(): LoginRecord {
  const now = Date.now()
  const identity = { tenant: 'https://acme.example', clientId: 'client', user: { id: randomUUID() }, tokens: tokens() }
  return { ...identity, createdAt: now, refreshedAt: now, endsAt: now + 3_600_000 }
}

function ended(ending: LoginEnding | undefined): LoginEnding {
  assert.ok(ending !== undefined, 'The login was not ended')
  return ending
}

function acquired(lock: Awaited<ReturnType<LoginStore['lock']>>) {
  assert.equal(typeof lock, 'object', `The lock is not free: ${String(lock)}`)
  return lock as Exclude<typeof lock, string>
}

function assertBetween(value: number, min: number, max: number): void {
  assert.ok(value >= min && value <= max, `${value} is not between ${min} and ${max}`)
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'The condition did not become true within 30 seconds')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
