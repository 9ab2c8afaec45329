/**
 * One of several processes with one machine client: prints that it is ready, waits for a line with a rejected token,
 * requests 25 tokens at once and prints them.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { machineTokens, qlikClient, redisLoginStore } from 'qlik-oauth'

const { TENANT = '', REDIS = '', KEYS = '' } = process.env
const redis = new Redis(REDIS)
const machine = qlikClient({ tenant: TENANT, clientId: 'robot', clientSecret: 'hush' })
const tokens = machineTokens({
  client: machine,
  store: redisLoginStore(redis, { keys: [KEYS], commandTimeoutMs: 10_000 }),
  leaseMs: 1000,
})
const lines = createInterface({ input: process.stdin })
await once(redis, 'ready')
process.stdout.write('ready\n')

for await (const rejected of lines) {
  const options = rejected === '' ? {} : { rejected }
  const accessTokens = await Promise.all(Array.from({ length: 25 }, () => tokens.accessToken(options)))
  process.stdout.write(`${JSON.stringify(accessTokens)}\n`)
}
await machine.close()
redis.disconnect()
