/** One of several processes: for each line, requests the access token of that login 25 times concurrently. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { QlikOAuthError, qlikClient, redisLoginStore } from 'qlik-oauth'
import { createLogins } from 'qlik-oauth/internal'

const { TENANT = '', REDIS = '', KEYS = '' } = process.env
const redis = new Redis(REDIS)
const web = qlikClient({ tenant: TENANT, clientId: 'web', clientSecret: 'hush' })
const store = redisLoginStore(redis, { keys: [KEYS], commandTimeoutMs: 10_000 })
const logins = createLogins({ store, clientOf: () => web, emit: () => {}, refreshLeaseMs: 300 })
await once(redis, 'ready')
process.stdout.write('ready\n')

for await (const key of createInterface({ input: process.stdin })) {
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
