import { describe, expect, it } from '@jest/globals'
import { retryAfterSeconds } from './tenant-http.ts'

const now = Date.parse('2026-01-01T12:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['7', 7],
    ['0007', 7],
    ['86400', 3600],
    ['9'.repeat(400), 3600],
    ['Thu, 01 Jan 2026 12:00:30 GMT', 30],
    ['Thursday, 01-Jan-26 12:00:30 GMT', 30],
    ['Thu Jan  1 12:00:30 2026', 30],
    ['Fri, 02 Jan 2026 12:00:00 GMT', 3600],
  ])('%s is %s seconds', (value, seconds) => {
    expect(retryAfterSeconds({ 'retry-after': value }, now)).toBe(seconds)
  })

  it.each([
    '',
    '0',
    '-5',
    '1.5',
    '5s',
    'soon',
    '12:30',
    'Thu, 01 Jan 2026 11:59:59 GMT',
    'Thu, 99 Jan 2026 12:00:30 GMT',
    'Thu, 01 Jan 2026 12:00:30 +0200',
  ])('%j is ignored', value => expect(retryAfterSeconds({ 'retry-after': value }, now)).toBeUndefined())

  it('as a date is measured against the Date of the response', () => {
    const headers = { 'retry-after': 'Thu, 01 Jan 2026 10:00:30 GMT', date: 'Thu, 01 Jan 2026 10:00:00 GMT' }
    expect(retryAfterSeconds(headers, now)).toBe(30)
  })

  it('is ignored when it is absent or repeated', () => {
    expect(retryAfterSeconds({}, now)).toBeUndefined()
    expect(retryAfterSeconds({ 'retry-after': ['5', '6'] }, now)).toBeUndefined()
  })
})
