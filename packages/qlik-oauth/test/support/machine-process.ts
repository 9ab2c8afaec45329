/**
 * One process of many: says that it is ready, waits for a line, asks for a token many times at once, and prints what it
 * got.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { machineTokens, qlikClient, redisLoginStore } from 'qlik-oauth'

const { TENANT = '', REDIS = '', KEYS = '' } = process.env
const redis = new Redis(REDIS)
const machine = qlikClient({ tenant: TENANT, clientId: 'robot', clientSecret: 'hush' })
const tokens = machineTokens({ client: machine, store: redisLoginStore(redis, { keys: [KEYS] }), leaseMs: 300 })
const lines = createInterface({ input: process.stdin })
await once(redis, 'ready')
process.stdout.write('ready\n')

for await (const rejected of lines) {
  const options = rejected === '' ? {} : { rejected }
  const got = await Promise.all(Array.from({ length: 25 }, () => tokens.accessToken(options)))
  process.stdout.write(`${JSON.stringify(got)}\n`)
}
await machine.close()
redis.disconnect()
