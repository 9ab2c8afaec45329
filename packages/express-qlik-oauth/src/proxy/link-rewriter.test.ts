import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { linkRewriter } from './link-rewriter.ts'
import { openPaths } from './path-rules.ts'
import { tenantLinks } from './tenant-links.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const { jsonText, link } = tenantLinks(tenant, 'https://app.example.com', '/qlik', openPaths())
const ours = 'https://app.example.com/qlik'

/** Feeds a document in pieces that end at the given places. */
function inPieces(document: Buffer, ends: readonly number[]): string {
  const rewriter = linkRewriter(jsonText)
  const places = [0, ...[...ends].map(end => Math.min(end, document.length)).sort((a, b) => a - b), document.length]
  const out = places.slice(1).map((end, index) => Buffer.from(rewriter.push(document.subarray(places[index], end))))
  return Buffer.concat([...out, rewriter.end()]).toString()
}

/** The same rule, applied to the parsed document. */
function expected(value: unknown, isLinks = false, isLink = false): unknown {
  if (Array.isArray(value)) return value.map(member => expected(member, false, isLinks && isObject(member)))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (typeof member === 'string')
        return [key, isLinks || (isLink && key === 'href') ? expectedLink(member) : member]
      return [key, expected(member, key === 'links' || (isLinks && Array.isArray(member)), isLinks && isObject(member))]
    }),
  )
}
function expectedLink(text: string): string {
  if (text.startsWith(`${tenant}/api/`)) return text.replace(tenant, ours)
  return text.startsWith('/api/') ? `/qlik${text}` : text
}
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text = fc.oneof(
  fc.constantFrom(
    `${tenant}/api/v1/items?page=2`,
    '/api/v1/items?page=2',
    `${tenant}/sense/app/1`,
    `${tenant}`,
    'https://elsewhere.example/',
    '"links":{"a":{"href":"x"}}',
    '\\',
    '"',
    'links',
    'href',
    '€',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('links', 'href', 'next', 'a', 'linksx', '"links"', '\\') },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }) },
)
const { document: anyDocument } = fc.letrec(tie => ({
  document: fc.oneof(
    { depthSize: 'medium', maxDepth: 6 },
    text,
    fc.constantFrom(null, true, 1.5),
    tie('object'),
    fc.array(tie('document'), { maxLength: 3 }),
  ),
  object: fc
    .array(
      fc.tuple(
        key.filter(name => name !== '__proto__'),
        tie('document'),
      ),
      { maxLength: 4 },
    )
    .map(entries => Object.fromEntries(entries)),
}))

describe('link rewriter', () => {
  it('does in any pieces what a parser would do to the whole', () => {
    fc.assert(
      fc.property(
        anyDocument,
        fc.array(fc.nat(400), { maxLength: 8 }),
        fc.constantFrom(undefined, 2, '\t'),
        (value, ends, indent) => {
          const document = Buffer.from(JSON.stringify(value, null, indent))
          expect(JSON.parse(inPieces(document, ends))).toEqual(expected(JSON.parse(document.toString())))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('does byte by byte the same', () => {
    const document = Buffer.from(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${tenant}/api/?\\u0041"},"self":{"href" : "${tenant}/assets/b"}},"b":[{"links":[{"href":"${tenant}/api/#f"}]}]}`,
    )
    const all = Array.from({ length: document.length }, (_, index) => index)
    expect(inPieces(document, all)).toBe(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${ours}/api/?\\u0041"},"self":{"href" : "${ours}/assets/b"}},"b":[{"links":[{"href":"${ours}/api/#f"}]}]}`,
    )
  })

  it('survives any bytes, and changes nothing where there is no link', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('"links"', ':', '{', '}', '[', ']', '"', '\\', ',', ' ', 'x', '"href"', 'links'), {
          maxLength: 40,
        }),
        fc.array(fc.nat(100)),
        (parts, ends) => {
          const bytes = Buffer.from(parts.join(''))
          expect(inPieces(bytes, ends)).toBe(bytes.toString())
        },
      ),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['an escaped slash', 'https:\\/\\/acme.eu.qlikcloud.com\\/api\\/v1', `${ours}\\/api\\/v1`],
    ['another case', 'HTTPS://ACME.eu.qlikcloud.com/api/v1', `${ours}/api/v1`],
    ['the default port', 'https://acme.eu.qlikcloud.com:443/api/v1', `${ours}/api/v1`],
    ['no scheme', '//acme.eu.qlikcloud.com/api/v1', `${ours}/api/v1`],
    ['a path', '/api/v1/items?page=2#a', '/qlik/api/v1/items?page=2#a'],
    ['an escaped path', '\\/api\\/v1', '/qlik\\/api\\/v1'],
    ['another port', 'https://acme.eu.qlikcloud.com:8443/api/v1', undefined],
    ['a longer host', 'https://acme.eu.qlikcloud.com.evil.example/api/v1', undefined],
    ['a user name', 'https://a@acme.eu.qlikcloud.com/api/v1', undefined],
    ['another dot', 'https://acme-eu.qlikcloud.com/api/v1', undefined],
    ['another host without a scheme', '//evil.example/api/v1', undefined],
    ['two slashes', `${tenant}//api/v1`, undefined],
    ['a page of the tenant', `${tenant}/sense/app/1`, undefined],
    ['the login of the tenant', `${tenant}/oauth/token`, undefined],
    ['the tenant itself', tenant, undefined],
    ['a path that the proxy does not serve', '/sense/app/1', undefined],
    ['a relative path, which leads to the proxy as it is', 'items?page=2', undefined],
    ['a query that names the tenant', `https://elsewhere.example/?u=${tenant}/api/v1`, undefined],
    ['something else', 'next', undefined],
  ])('with %s', (_title, href, result) => expect(jsonText(href)).toBe(result))

  it.each([
    [`<${tenant}/api/v1/items?page=2>; rel="next"`, `<${ours}/api/v1/items?page=2>; rel="next"`],
    [
      `</api/v1/a>; rel=prev, <${tenant}/api/v1/b,c>;rel=next`,
      `</qlik/api/v1/a>; rel=prev, <${ours}/api/v1/b,c>;rel=next`,
    ],
    ['<https://qlik.dev/changelog>; rel="deprecation"', '<https://qlik.dev/changelog>; rel="deprecation"'],
    [
      `<https://qlik.dev/>; title="a \\" <${tenant}/api/v1/x>", </assets/b>`,
      `<https://qlik.dev/>; title="a \\" <${tenant}/api/v1/x>", </qlik/assets/b>`,
    ],
    [`<${tenant}/sense/app/1>; rel=x`, `<${tenant}/sense/app/1>; rel=x`],
    ['nonsense <', 'nonsense <'],
  ])('in a header: %s', (value, result) => expect(link(value)).toBe(result))

  it('leaves an href that is too long to be one, and holds nothing back', () => {
    const rewriter = linkRewriter(jsonText)
    const before = rewriter.push(Buffer.from('{"links":{"a":{"href":"')).toString()
    const long = Buffer.from(`${tenant}/${'x'.repeat(40_000)}`)
    expect(before + rewriter.push(long).toString() + rewriter.push(Buffer.from('"}}}')).toString()).toBe(
      `{"links":{"a":{"href":"${long}"}}}`,
    )
  })

  it('gives back the same memory where nothing changes', () => {
    const document = Buffer.from(JSON.stringify({ data: 'x'.repeat(1000), links: { next: { href: null } } }))
    expect(linkRewriter(jsonText).push(document)).toBe(document)
  })
})
