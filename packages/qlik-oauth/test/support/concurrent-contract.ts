import { randomUUID } from 'node:crypto'
import { beforeAll, describe, it } from '@jest/globals'
import { loginStoreContract } from '../../contract/login-store-contract.ts'
import { type RedisClient, redisLoginStore } from '../../src/index.ts'

/**
 * Runs the contract of the login store on a client, several cases at a time, since most of them wait. Each is a test.
 * Keys of their own keep them from ending each other's logins.
 */
export function concurrentContract(client: () => RedisClient, keys: readonly string[]): void {
  const waiting: (() => Promise<void>)[] = []

  async function runNext(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
  }

  loginStoreContract(
    'fulfils the contract',
    () => redisLoginStore(client(), { keys, prefix: `${randomUUID()}:`, commandTimeoutMs: 10_000 }),
    {
      describe: (title, body) =>
        describe(title, () => {
          beforeAll(() => {
            for (let lane = 0; lane < lanes; lane++) void runNext()
          })
          body()
        }),
      it(title, body) {
        const outcome = new Promise<void>((resolve, reject) => {
          waiting.push(() => body().then(resolve, reject))
        })
        outcome.catch(() => {})
        it(title, () => outcome)
      },
    },
  )
}

const lanes = 6
