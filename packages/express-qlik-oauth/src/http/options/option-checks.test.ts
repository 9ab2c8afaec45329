import { describe, expect, it } from '@jest/globals'
import { mountPath, rejectUnknownOptions, wholeNumber } from './option-checks.ts'

const known = ['loginRateLimit', 'idleSeconds', 'publicUrl', 'mount']

describe('unknown options', () => {
  it.each([
    ['loginRatelimit', 'Did you mean loginRateLimit?'],
    ['loginRateLimits', 'Did you mean loginRateLimit?'],
    ['idelSeconds', 'Did you mean idleSeconds?'],
    ['publicURL', 'Did you mean publicUrl?'],
    ['colour', 'Its options are idleSeconds, loginRateLimit, mount, publicUrl.'],
    ['x', 'Its options are idleSeconds, loginRateLimit, mount, publicUrl.'],
  ])('%s is refused: %s', (option, hint) =>
    expect(() => rejectUnknownOptions('qlikAuth', { mount: '/qlik', [option]: undefined }, known)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: `qlikAuth has no option ${option}. ${hint}` }),
    ),
  )

  it.each([[null], ['text'], [['list']], [7]])('options must be an object, not %j', options =>
    expect(() => rejectUnknownOptions('proxy.limits', options, known)).toThrow('proxy.limits must be an object'),
  )

  it('known options pass', () => expect(rejectUnknownOptions('qlikAuth', { mount: '/qlik' }, known)).toBeUndefined())
})

describe('numbers', () => {
  it('fall back when the option is not set', () => expect(wholeNumber('connections', undefined, 256)).toBe(256))
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 2 ** 60])('refuse %p', value =>
    expect(() => wholeNumber('connections', value, 256)).toThrow(/^connections must be a whole number of at least 1/),
  )
})

describe('mount', () => {
  it.each(['/qlik', '/portal/qlik', '/a.b'])('accepts %s', path => expect(mountPath(path)).toBe(path))
  it.each(['', '/', 'qlik', '/qlik/', '//qlik', '/a/../b', '/./a', '/a?b', '/ä', 7, undefined])('refuses %p', path =>
    expect(() => mountPath(path)).toThrow(/^mount must be a path such as "\/qlik"/),
  )
})
