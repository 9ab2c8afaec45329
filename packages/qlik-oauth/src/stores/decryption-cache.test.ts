import { beforeEach, describe, expect, it } from '@jest/globals'
import { sampleLogin } from '../../test/support/login-store-tour.ts'
import { type DecryptionCache, decryptionCache } from './decryption-cache.ts'
import type { StoredLogin } from './login-store.ts'

const lifetimeMs = 10_000
const stored: StoredLogin = { record: sampleLogin(), version: 1 }

describe('opened logins', () => {
  let now: number
  let opened: string[]
  let logins: DecryptionCache

  beforeEach(() => {
    now = 1_000_000
    opened = []
    logins = decryptionCache(lifetimeMs, () => now)
  })

  function read(at: string, value = `sealed ${at}`): StoredLogin | undefined {
    return logins.read(at, value, (place, text) => {
      opened.push(`${place}: ${text}`)
      return text === 'broken' ? undefined : stored
    })
  }

  it('are opened once as long as the same text is stored', () => {
    expect([read('a'), read('a'), read('b'), read('a')]).toEqual([stored, stored, stored, stored])
    expect(opened).toEqual(['a: sealed a', 'b: sealed b'])
  })

  it('are opened anew when anything else is stored, also the text of another place', () => {
    read('a')
    read('b')
    read('a', 'sealed b')
    read('a', 'sealed a')
    expect(opened).toEqual(['a: sealed a', 'b: sealed b', 'a: sealed b', 'a: sealed a'])
  })

  it('do not remember what could not be opened, nor what was forgotten', () => {
    expect([read('a', 'broken'), read('a', 'broken')]).toEqual([undefined, undefined])
    read('a')
    logins.forget('a')
    read('a')
    expect(opened).toHaveLength(4)
  })

  it('remember nothing beyond their lifetime, in busy and in quiet times', () => {
    read('a')
    for (; now <= 1_000_000 + lifetimeMs; now += 1000) read('other')
    read('a')
    expect(opened.filter(text => text.startsWith('a'))).toHaveLength(2)
    now += 10 * lifetimeMs
    read('a')
    expect(opened.filter(text => text.startsWith('a'))).toHaveLength(3)
  })

  it('remember a limited number', () => {
    for (let index = 0; index < 10_000; index += 1) read(`login ${index}`)
    opened = []
    for (let index = 0; index < 10_000; index += 1) read(`login ${index}`)
    expect(opened.length).toBeGreaterThanOrEqual(8000)
  })
})
