import { describe, expect, it } from '@jest/globals'
import { upgradeRate } from './upgrade-rate.ts'

describe('upgrade rate', () => {
  it('counts each login apart, and refuses it until the minute is over', () => {
    let at = 0
    const rate = upgradeRate(2, () => at)
    expect([rate.count('ada'), rate.count('ada'), rate.count('ada'), rate.count('bob')]).toEqual([
      undefined,
      undefined,
      60,
      undefined,
    ])
    at = 45_500
    expect(rate.count('ada')).toBe(15)
    at = 60_000
    expect(rate.count('ada')).toBeUndefined()
  })

  it('counts the 10,000 logins that opened sockets last', () => {
    const rate = upgradeRate(1, () => 0)
    for (let login = 0; login <= 10_000; login += 1) rate.count(String(login))
    expect(rate.count('10000')).toBe(60)
    expect(rate.count('1')).toBe(60)
    expect(rate.count('0')).toBeUndefined()
  })
})
