import { describe, expect, it } from '@jest/globals'
import { defaultLifetimeSeconds, lifetimeSeconds, maxLifetimeSeconds, needsRefresh } from './token-set.ts'

const now = Date.parse('2026-01-01T12:00:00Z')

describe('lifetime of an access token', () => {
  it.each([
    ['expires_in', { expires_in: 21600 }, 21600],
    ['expires_in as text', { expires_in: '600' }, 600],
    ['expires_at', { expires_at: '2026-01-01T12:10:00Z' }, 600],
    ['expires_in before expires_at', { expires_in: 60, expires_at: '2026-01-01T12:10:00Z' }, 60],
    ['neither', {}, defaultLifetimeSeconds],
    ['a negative number', { expires_in: -5 }, defaultLifetimeSeconds],
    ['nonsense', { expires_in: 'soon', expires_at: 17 }, defaultLifetimeSeconds],
    ['an end in the past', { expires_at: '2020-01-01T00:00:00Z' }, defaultLifetimeSeconds],
    ['a million years', { expires_in: 1e12 }, maxLifetimeSeconds],
  ])('is read from %s', (_what, response, seconds) => expect(lifetimeSeconds(response, undefined, now)).toBe(seconds))

  it("is measured against the tenant's clock, not this one", () =>
    expect(lifetimeSeconds({ expires_at: '2026-01-01T13:10:00Z' }, 'Thu, 01 Jan 2026 13:00:00 GMT', now)).toBe(600))
})

describe('renewal', () => {
  const tokens = { accessToken: 'a', issuedAt: now, expiresAt: now + 600_000 }

  it('is due within the leeway', () => {
    expect(needsRefresh(tokens, now + 539_000, 60_000)).toBe(false)
    expect(needsRefresh(tokens, now + 540_000, 60_000)).toBe(true)
  })

  it('is not due at once for tokens that live shorter than the leeway', () => {
    const short = { ...tokens, expiresAt: now + 20_000 }
    expect(needsRefresh(short, now + 1000, 60_000)).toBe(false)
    expect(needsRefresh(short, now + 15_000, 60_000)).toBe(true)
  })
})
