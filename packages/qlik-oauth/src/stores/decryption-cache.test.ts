import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { sampleLogin } from '../../test/support/login-store-tour.ts'
import { type DecryptionCache, decryptionCache } from './decryption-cache.ts'
import type { StoredLogin } from './login-store.ts'

const lifetimeMs = 10_000
const stored: StoredLogin = { record: sampleLogin(), version: 1 }

describe('decryption cache', () => {
  let unsealed: string[]
  let cache: DecryptionCache

  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000_000 })
    unsealed = []
    cache = decryptionCache(lifetimeMs, () => Date.now())
  })
  afterEach(() => void jest.useRealTimers())

  function read(name: string, value = `sealed ${name}`): StoredLogin | undefined {
    return cache.read(name, value, (at, text) => {
      unsealed.push(`${at}: ${text}`)
      return text === 'broken' ? undefined : stored
    })
  }

  it('unseals an identical value once', () => {
    expect([read('a'), read('a'), read('b'), read('a')]).toEqual([stored, stored, stored, stored])
    expect(unsealed).toEqual(['a: sealed a', 'b: sealed b'])
  })

  it('unseals any other value, also the value of another name', () => {
    read('a')
    read('b')
    read('a', 'sealed b')
    read('a', 'sealed a')
    expect(unsealed).toEqual(['a: sealed a', 'b: sealed b', 'a: sealed b', 'a: sealed a'])
  })

  it('keeps neither unreadable nor deleted values', () => {
    expect([read('a', 'broken'), read('a', 'broken')]).toEqual([undefined, undefined])
    read('a')
    cache.delete('a')
    read('a')
    expect(unsealed).toHaveLength(4)
  })

  it('unseals a value again after its lifetime, however often it was read meanwhile', () => {
    for (let second = 0; second <= lifetimeMs / 1000; second++) {
      read('a')
      jest.advanceTimersByTime(1000)
    }
    read('a')
    expect(unsealed).toHaveLength(2)
  })

  it('drops values from memory after their lifetime although nothing is read, then stops its timer', async () => {
    const value = new WeakRef(readOnce())
    expect(jest.getTimerCount()).toBe(1)
    jest.advanceTimersByTime(1.5 * lifetimeMs)
    expect(jest.getTimerCount()).toBe(0)
    jest.useRealTimers()
    await collectGarbage()
    expect(value.deref()).toBeUndefined()
  })

  it('keeps a limited number of values', () => {
    for (let index = 0; index < 10_000; index++) read(`login ${index}`)
    unsealed = []
    for (let index = 0; index < 10_000; index++) read(`login ${index}`)
    expect(unsealed.length).toBeGreaterThanOrEqual(8000)
  })

  function readOnce(): StoredLogin {
    const login = { record: sampleLogin(), version: 1 }
    cache.read('once', 'sealed once', () => login)
    return login
  }
})

async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  await new Promise(resolve => setImmediate(resolve))
  runInNewContext('gc')()
}
