import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { linkRewriter } from './link-rewriter.ts'
import { tenantLinks } from './tenant-links.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const { jsonText } = tenantLinks(tenant, 'https://app.example.com', '/qlik')
const ours = 'https://app.example.com/qlik'

/** Feeds a document in pieces that end at the given places. */
function inPieces(document: Buffer, ends: readonly number[]): string {
  const rewriter = linkRewriter(jsonText)
  const places = [0, ...[...ends].map(end => Math.min(end, document.length)).sort((a, b) => a - b), document.length]
  const out = places.slice(1).map((end, index) => Buffer.from(rewriter.push(document.subarray(places[index], end))))
  return Buffer.concat([...out, rewriter.end()]).toString()
}

/** The same rule, applied to the parsed document. */
function expected(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expected)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, key === 'links' && isObject(member) ? linksExpected(member) : expected(member)]),
  )
}
function linksExpected(links: Record<string, unknown>): unknown {
  return Object.fromEntries(
    Object.entries(links).map(([key, member]) => {
      if (!isObject(member)) return [key, expected(member)]
      const inside = Object.entries(key === 'links' ? Object(linksExpected(member)) : Object(expected(member)))
      return [
        key,
        Object.fromEntries(
          inside.map(([name, text]) => [name, name === 'href' && typeof text === 'string' ? text.replace(tenant, ours) : text]),
        ),
      ]
    }),
  )
}
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text = fc.oneof(
  fc.constantFrom(
    `${tenant}/api/v1/items?page=2`,
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
      fc.property(anyDocument, fc.array(fc.nat(400), { maxLength: 8 }), fc.constantFrom(undefined, 2, '\t'), (value, ends, indent) => {
        const document = Buffer.from(JSON.stringify(value, null, indent))
        expect(JSON.parse(inPieces(document, ends))).toEqual(expected(JSON.parse(document.toString())))
      }),
      { numRuns: 3000 },
    )
  })

  it('does byte by byte the same', () => {
    const document = Buffer.from(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${tenant}/a?\\u0041"},"self":{"href" : "${tenant}"}},"b":[{"links":{"x":{"href":"${tenant}#f"}}}]}`,
    )
    const all = Array.from({ length: document.length }, (_, index) => index)
    expect(inPieces(document, all)).toBe(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${ours}/a?\\u0041"},"self":{"href" : "${ours}"}},"b":[{"links":{"x":{"href":"${ours}#f"}}}]}`,
    )
  })

  it('survives any bytes, and changes nothing where there is no link', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('"links"', ':', '{', '}', '[', ']', '"', '\\', ',', ' ', 'x', '"href"', 'links'), { maxLength: 40 }),
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
    ['an escaped slash', 'https:\\/\\/acme.eu.qlikcloud.com\\/api', `${ours}\\/api`],
    ['another case', 'HTTPS://ACME.eu.qlikcloud.com/api', `${ours}/api`],
    ['the default port', 'https://acme.eu.qlikcloud.com:443/api', `${ours}/api`],
    ['another port', 'https://acme.eu.qlikcloud.com:8443/api', undefined],
    ['a longer host', 'https://acme.eu.qlikcloud.com.evil.example/api', undefined],
    ['a user name', 'https://a@acme.eu.qlikcloud.com/api', undefined],
    ['another dot', 'https://acme-eu.qlikcloud.com/api', undefined],
    ['a path', '/api/v1/items', undefined],
    ['a query that names the tenant', `https://elsewhere.example/?u=${tenant}/`, undefined],
  ])('with %s', (_title, href, result) => expect(jsonText(href)).toBe(result))

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
