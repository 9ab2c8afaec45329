/**
 * One of several processes: for each line, requests the access token of that login 25 times concurrently; for the line
 * `create <key>`, creates a login; for the line `end <key> <reason>`, ends it. With PRINT_ENDINGS it prints
 * `loginEnded <reason> <key>` for each.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { QlikOAuthError, qlikClient, redisLoginStore } from 'qlik-oauth'
import { createLogins } from 'qlik-oauth/internal'

const {
  TENANT = '',
  REDIS = '',
  KEYS = '',
  IDLE_SECONDS = '1800',
  ENDING_LEASE_MS = '30000',
  PRINT_ENDINGS,
} = process.env
const redis = new Redis(REDIS)
const web = qlikClient({ tenant: TENANT, clientId: 'web', clientSecret: 'hush' })
const store = redisLoginStore(redis, { keys: [KEYS], commandTimeoutMs: 10_000 })
const logins = createLogins({
  store,
  clientOf: () => web,
  emit: (name, event) => {
    if (PRINT_ENDINGS !== undefined && name === 'loginEnded' && 'reason' in event)
      process.stdout.write(`loginEnded ${event.reason} ${event.login}\n`)
  },
  refreshLeaseMs: 300,
  idleSeconds: Number(IDLE_SECONDS),
  endingLeaseMs: Number(ENDING_LEASE_MS),
})
await once(redis, 'ready')
process.stdout.write('ready\n')

for await (const key of createInterface({ input: process.stdin })) {
  const [, created] = /^create (.+)$/.exec(key) ?? []
  if (created !== undefined) {
    const tokens = {
      accessToken: `access-${created}`,
      refreshToken: `refresh-${created}`,
      issuedAt: Date.now(),
      expiresAt: Date.now() + 3600_000,
    }
    await logins.create(created, { client: web, user: { id: 'ada' }, tokens })
    process.stdout.write('created\n')
    continue
  }
  const [, ended, reason] = /^end (\S+) (logout|administrator)$/.exec(key) ?? []
  if (ended !== undefined && (reason === 'logout' || reason === 'administrator')) {
    // Without waiting: the next lines end other logins at the same time.
    logins.end(ended, reason).catch(() => {})
    continue
  }
  const results = await Promise.all(Array.from({ length: 25 }, () => tokenOf(key)))
  process.stdout.write(`${JSON.stringify(results)}\n`)
}
await logins.close()
await store.close()
await web.close()
redis.disconnect()

async function tokenOf(key: string): Promise<string> {
  try {
    return (await (await logins.find(key))?.accessToken()) ?? 'not authenticated'
  } catch (error) {
    return error instanceof QlikOAuthError ? error.code : String(error)
  }
}
