import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from '@jest/globals'
import { loginStoreContract } from '../../contract/login-store-contract.ts'
import { memoryLoginStore } from './memory-login-store.ts'

loginStoreContract('memory login store', () => memoryLoginStore(), { describe, it })

describe('memory login store', () => {
  it.each([
    [{ nwo: () => 1 }, 'Did you mean now?'],
    [{ now: 1 }, 'now must be a function'],
  ])('refuses the options %j', (options, message) => {
    expect(() => memoryLoginStore(options as never)).toThrow(message)
  })

  it('expires entries by the clock of the options', async () => {
    let now = 0
    const store = memoryLoginStore({ now: () => now })
    await store.saveTransaction('a', transaction, 600)
    now = 600_000
    expect(await store.takeTransaction('a')).toBeUndefined()
  })

  it('does not grow with transactions that are never taken', async () => {
    let now = 0
    const store = memoryLoginStore({ now: () => now })
    const before = bytesInUse()
    for (let i = 0; i < 200_000; i++) {
      now += 1
      await store.saveTransaction(`transaction-${i}`, { ...transaction, returnTo: `/${i}` }, 1)
    }
    expect(bytesInUse() - before).toBeLessThan(20_000_000)
    expect(await store.takeTransaction('transaction-199999')).toBeDefined()
  })
})

const transaction = { tenant: 't', clientId: 'c', codeVerifier: 'v', redirectUri: 'r', returnTo: '/', cookieHash: 'h' }

function bytesInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
