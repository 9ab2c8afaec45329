/**
 * One process of many: for each line, asks 25 times at once for the token of the login in that line, and prints tokens
 * or error codes.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { QlikOAuthError, qlikClient, redisLoginStore } from 'qlik-oauth'
import { createLogins } from 'qlik-oauth/internal'

const { TENANT = '', REDIS = '', KEYS = '' } = process.env
const redis = new Redis(REDIS)
const web = qlikClient({ tenant: TENANT, clientId: 'web', clientSecret: 'hush' })
const store = redisLoginStore(redis, { keys: [KEYS] })
const logins = createLogins({ store, clientOf: () => web, emit: () => {}, refreshLeaseMs: 300 })
await once(redis, 'ready')
process.stdout.write('ready\n')

for await (const key of createInterface({ input: process.stdin })) {
  const got = await Promise.all(Array.from({ length: 25 }, () => tokenOf(key)))
  process.stdout.write(`${JSON.stringify(got)}\n`)
}
await logins.close()
await store.close()
await web.close()
redis.disconnect()

async function tokenOf(key: string): Promise<string> {
  try {
    return (await (await logins.find(key))?.accessToken()) ?? 'nobody'
  } catch (error) {
    return error instanceof QlikOAuthError ? error.code : String(error)
  }
}
