import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from '@jest/globals'
import { loginStoreContract } from '../../contract/login-store-contract.ts'
import { memoryLoginStore } from './memory-login-store.ts'

loginStoreContract('memory login store', () => memoryLoginStore(), { describe, it })

describe('memory login store', () => {
  it('forgets at the clock it was given', async () => {
    let now = 0
    const store = memoryLoginStore({ now: () => now })
    await store.saveTransaction('a', attempt, 600)
    now = 600_000
    expect(await store.takeTransaction('a')).toBeUndefined()
  })

  it('does not grow with attempts that nobody comes back for', async () => {
    let now = 0
    const store = memoryLoginStore({ now: () => now })
    const before = bytesInUse()
    for (let i = 0; i < 200_000; i++) {
      now += 1
      await store.saveTransaction(`attempt-${i}`, { ...attempt, returnTo: `/${i}` }, 1)
    }
    expect(bytesInUse() - before).toBeLessThan(20_000_000)
    expect(await store.takeTransaction('attempt-199999')).toBeDefined()
  })
})

const attempt = { tenant: 't', clientId: 'c', codeVerifier: 'v', redirectUri: 'r', returnTo: '/', browser: 'b' }

function bytesInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
