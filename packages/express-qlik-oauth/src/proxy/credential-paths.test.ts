import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { consideredPaths, credentialPaths } from './credential-paths.ts'
import { type PathRule, pathRules } from './path-rules.ts'

const refused = expect.objectContaining({ code: 'ERR_PATH_NOT_ALLOWED' })
/** The path of an entry, with a value for its wildcard. */
const example = (path: string): string => path.replace('*', '1').replace(/\$$/, '')
const check =
  (path: string, ...allow: PathRule[]) =>
  (): void =>
    pathRules(allow.length === 0 ? undefined : allow).check(path, 'POST')

describe('credential paths', () => {
  it.each(credentialPaths)('$path is closed by default, with everything below it', ({ path, methods, reason }) => {
    expect(reason).not.toBe('')
    for (const allow of [['/api/**'], ['/**'], ['/api/v1/*', '/api/v1/*/*', '/api/*/*', '/api/*/*/*']]) {
      expect(check(example(path), ...allow)).toThrow(refused)
      expect(check(`${example(path)}/`, ...allow)).toThrow(refused)
      if (!path.endsWith('$')) expect(check(`${example(path)}/1`, ...allow)).toThrow(refused)
    }
    expect(pathRules().isOpen(example(path))).toBe(methods !== undefined)
  })

  it.each(credentialPaths.filter(({ methods }) => methods !== undefined))(
    '$path is closed to $methods only',
    ({ path, methods = [] }) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'] as const) {
        const attempt = () => pathRules().check(example(path), method)
        if (methods.includes(method)) expect(attempt).toThrow(refused)
        else attempt()
      }
    },
  )

  it.each(consideredPaths)('$path was considered, and is open: $reason', ({ path, methods = ['GET', 'POST'] }) => {
    for (const method of methods) pathRules().check(example(path), method)
  })

  it.each(credentialPaths)('$path is open once a pattern names it', ({ path }) => {
    const literal = path.replace(/(?:\/\*)?\$?$/, '').replace('*', '1')
    check(example(path), '/api/**', example(path))()
    check(example(path), '/api/**', `${literal}/**`, literal)()
  })

  it('are opened by an exact path alone, without what is below', () => {
    const allow = ['/api/**', '/api/v1/api-keys']
    check('/api/v1/api-keys', ...allow)()
    expect(check('/api/v1/api-keys/1', ...allow)).toThrow(refused)
    expect(check('/api/v1/oauth-clients', ...allow)).toThrow(refused)
  })

  it('are opened to the methods of the pattern that names them', () => {
    const rules = pathRules(['/api/**', { path: '/api/v1/web-integrations/**', methods: ['GET'] }])
    rules.check('/api/v1/web-integrations/1', 'GET')
    expect(() => rules.check('/api/v1/web-integrations/1', 'DELETE')).toThrow(
      expect.objectContaining({ code: 'ERR_METHOD_NOT_ALLOWED' }),
    )
  })

  it.each([
    '/api/v1/api-keys;x',
    '/api/v1/api-keys%3fx',
    '/api/v1/api-keys%23x',
    '/api/v1/api-keys%253Fx',
    '/api/v1/api-keys.',
    '/api/v1/api-keys%EF%B8%8F',
    '/api/v1/api%CD%8F-keys',
    '/api/v2/api-keys',
    '/api/latest/api-keys/1',
    '/api/v1/api-keys;x=1/2',
    '/api/v1;x/api-keys',
    '/api;/v1/api-keys',
    '/api/v1/API-KEYS',
    '/api/V1/Api-Keys/configs/1',
    '/api/v1/api%2dkeys',
    '/api/v1/api%252dkeys',
    '/api/v1/%61pi-keys',
    '/api/v1%2fapi-keys',
    '/api%2Fv1%2Fapi-keys%2F1',
    '/api/v1/api-keys%20',
    '/api/v1/api-keys%c2%a0',
    '/api/v1/api-%e2%80%8bkeys',
    '/api/v1%e2%88%95api-keys',
    '/api/v1/api-keys%3bx',
    '/api/v1/%ef%bd%81pi-keys',
    '/api/v1/api-keys%2F..;',
    '/api/v1/api-keys/%3F',
  ])('%s is one of them', path => expect(check(path)).toThrow())

  it.each([
    '/api/v1/items',
    '/api/v1/api-keys-of-the-house',
    '/api/v1/apps/api-keys',
    '/api/v1/spaces/api-keys',
    '/api/v1/automations/1/runs',
    '/api/v1/automations/1/actions/copy',
    '/api/v1/users/me',
    '/api/v1/licenses/overview',
    '/api/v1/data-files',
    '/api/v1/temp-contents',
    '/api/analytics/change-stores',
  ])('%s is not', path => check(path)())

  it('are found in any spelling that a server may read as one', () => {
    const spelled = fc
      .constantFrom(...credentialPaths)
      .chain(({ path }) =>
        fc
          .tuple(...[...example(path)].map((character, index) => spelling(character, index)))
          .map(parts => parts.join('')),
      )
    fc.assert(
      fc.property(spelled, fc.constantFrom('', '/', ';a', '%20'), (path, end) => {
        expect(check(path + end)).toThrow()
      }),
      { numRuns: 2000 },
    )
  })
})

/** A character as it is, in another case, or percent-encoded once or twice. */
function spelling(character: string, index: number): fc.Arbitrary<string> {
  const code = character.charCodeAt(0).toString(16)
  const plain = { weight: 6, arbitrary: fc.constant(character) }
  if (index === 0) return plain.arbitrary
  return fc.oneof(
    plain,
    { weight: 1, arbitrary: fc.constant(index > 4 ? character.toUpperCase() : character) },
    { weight: 1, arbitrary: fc.constantFrom(`%${code}`, `%${code.toUpperCase()}`, `%25${code}`) },
  )
}
