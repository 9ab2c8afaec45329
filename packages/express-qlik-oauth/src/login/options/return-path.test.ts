import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { publicLocation } from '../../http/location/public-location.ts'
import { returnPath as returnPathIn } from './return-path.ts'
import { routePaths } from './route-paths.ts'

const own = 'https://app.example.com'

const location = publicLocation(own)
const routes = routePaths(undefined, '/qlik', location)
const returnPath = (candidate: unknown, fallback = '/') =>
  returnPathIn(candidate, { location, routes, mount: '/qlik' }) ?? fallback

describe('return path', () => {
  it.each([
    '/',
    '/sales',
    '/a?b=1#c',
    '/a%20b',
    '/100%',
    '/sales?url=https://other.example/x',
    '/ü',
    '/apps/1?filter=%2F%2Fx',
    '/qlikview',
  ])('keeps %j', path => expect(returnPath(path)).toBe(new URL(path, own).href.slice(own.length)))

  it.each([
    ['another host', '//evil.example'],
    ['the mount', '/qlik#a'],
    ['a path of the proxy', '/qlik/api/v1/items'],
    ['a path of the proxy in other letters', '/%71LIK/api/v1/items'],
    ['a backslash', '/\\evil.example'],
    ['a leading backslash', '\\/evil.example'],
    ['many slashes', '/\\/\\/evil.example'],
    ['a scheme', 'https://evil.example'],
    ['a scheme without slashes', 'https:evil.example'],
    ['user information', 'https://evil.example@app.example.com'],
    ['an encoded tab', '/%09/evil.example'],
    ['a tab', '/\t/evil.example'],
    ['line breaks', '/\r\n/evil.example'],
    ['encoded line breaks', '/%0d%0aLocation:%20//evil.example'],
    ['an encoded backslash', '/%5cevil.example'],
    ['a backslash encoded twice', '/%255cevil.example'],
    ['slashes encoded', '/%2f%2fevil.example'],
    ['slashes encoded twice', '/%252f%252fevil.example'],
    ['a script', 'javascript:alert(1)'],
    ['data', 'data:text/html,x'],
    ['NUL', '/\0/evil.example'],
    ['dots that vanish', '/.//evil.example'],
    ['dots that climb', '/a/..//evil.example'],
    ['encoded dots that climb', '/a/%2e%2e//evil.example'],
    ['fullwidth slashes', '／／evil.example'],
    ['the login itself', '/auth/login?returnTo=/a'],
    ['the login itself, encoded', '/%61uth/logout'],
    ['no slash', 'evil.example'],
    ['nothing', ''],
    ['eight kilobytes', `/${'a'.repeat(8192)}`],
    ['a list', ['/a']],
    ['nothing at all', undefined],
  ])('falls back for %s', (_what, candidate) => expect(returnPath(candidate, '/home')).toBe('/home'))

  const pieces = fc.constantFrom(
    ...[
      '/',
      '\\',
      '//',
      '.',
      '..',
      '%2f',
      '%5c',
      '%2e',
      '%252f',
      '%255c',
      '%09',
      '%0a',
      '%00',
      '\t',
      '\n',
      '\r',
      '\0',
      ' ',
      '@',
      ':',
      '?',
      '#',
      '%',
    ],
    ...['https:', 'javascript:', 'evil.example', 'a', '／', '﹨', '[::1]', '%25', '%zz', '%e2%80%ae'],
  )
  const paths = fc
    .array(fc.oneof({ weight: 4, arbitrary: pieces }, fc.string({ maxLength: 3 })), { maxLength: 12 })
    .map(parts => parts.join(''))

  it('never leaves the origin, however often the result is decoded', () =>
    fc.assert(
      fc.property(paths, fc.boolean(), (path, slash) => {
        let result = returnPath(slash ? `/${path}` : path)
        for (let decodings = 0; decodings < 3; decodings++) {
          expect(new URL(result, own).origin).toBe(own)
          expect(result).toMatch(/^\/(?![/\\])/)
          try {
            result = decodeURIComponent(result)
          } catch {
            break
          }
        }
      }),
      { numRuns: 5000 },
    ))
})
