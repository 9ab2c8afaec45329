import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { QlikOAuthError } from 'qlik-oauth'

import { type PathRule, pathRules } from './path-rules.ts'

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2E',
    '%252e',
    '%2f',
    '%2F',
    '%252f',
    '%5c',
    '\\',
    ';',
    '%3b',
    '%00',
    '%25',
    '%',
    '?',
    '#',
    '@',
    ':',
    '//',
  ),
  fc.constantFrom(
    'api',
    'oauth',
    'login',
    'v1',
    'assets',
    '%6fauth',
    '%61pi',
    'evil.example',
    '%c0%ae',
    '%ef%bc%8f',
    '%ef%bc%8e',
    '%e2%80%a5',
    '%20',
    '%c2%a0',
    '%e2%80%8b',
    '%e2%88%95',
  ),
  fc.string({ maxLength: 3 }),
)

/** Everything a server on the way might make of a path. */
function readings(path: string): string[] {
  const all = new Set([path])
  for (const text of all) {
    if (all.size > 200) break
    for (const one of [
      decoded(text),
      text.replaceAll('\\', '/'),
      text.normalize('NFKC'),
      text.replace(/;[^/]*/g, ''),
      text.replace(/\/{2,}/g, '/'),
      text.replace(/[\s\u200b]/g, ''),
      text.replaceAll('\u2215', '/'),
    ])
      all.add(one)
  }
  return [...all]
}
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, codes => Buffer.from(codes.replaceAll('%', ''), 'hex').toString())
}

describe('path rules', () => {
  const { check } = pathRules()

  it('let nothing through that leaves the list or the host in any reading', () => {
    let passed = 0
    fc.assert(
      fc.property(
        fc.constantFrom('/api/', '/assets/', '/', ''),
        fc.array(piece, { maxLength: 10 }),
        (start, pieces) => {
          const path = start + pieces.join('')
          try {
            check(path, 'GET')
          } catch (error) {
            expect(error).toBeInstanceOf(QlikOAuthError)
            return
          }
          passed += 1
          for (const reading of readings(path)) {
            const url = new URL(`https://tenant.example${reading.split(/[?#]/, 1)[0]}`)
            expect(url.host).toBe('tenant.example')
            expect(url.pathname).toMatch(/^\/(?:api|resources|assets|qlik-embed)\//)
          }
        },
      ),
      { numRuns: 10_000 },
    )
    expect(passed).toBeGreaterThan(100)
  })

  it('let every plain path below the list through', () => {
    const segment = fc
      .stringMatching(/^[\w\-~!$&'()*+,=:@€ü %.]{1,8}$/)
      .filter(text => !/^\.{0,2}$/.test(text.replaceAll(' ', '').normalize('NFKC')))
    fc.assert(
      fc.property(fc.array(segment.map(encodeURIComponent), { minLength: 1, maxLength: 5 }), segments =>
        check(`/api/${segments.join('/')}`, 'POST'),
      ),
    )
  })

  it.each<[PathRule, string, boolean]>([
    ['/api/v1/items/*', '/api/v1/items/1', true],
    ['/api/v1/items/*', '/api/v1/items', false],
    ['/api/v1/items/*', '/api/v1/items/1/2', false],
    ['/api/v1/items/**', '/api/v1/items/1/2', true],
    ['/api/v1/items', '/api/v1/items', true],
    ['/api/v1/items', '/api/v1/itemsx', false],
    ['/a.b', '/axb', false],
    ['/**', '/oauth/token', false],
    ['/**', '/Logout', false],
    ['/**', '/api', true],
  ])('%j and %s: %s', (rule, path, open) => {
    const attempt = (): void => pathRules([rule]).check(path, 'GET')
    if (open) attempt()
    else expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_PATH_NOT_ALLOWED' }))
  })

  it.each([
    ['api/**'],
    ['/api**'],
    ['/a/**/b'],
    ['/a*'],
    ['/api/(.*)'],
    ['https://x/api/**'],
    [{ path: '/a', methods: ['TRACE'] }],
    [{ path: '/a', methods: [] }],
  ])('are checked: %j', rule => expect(() => pathRules([rule as PathRule])).toThrow(QlikOAuthError))
})
