import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { pathRules } from '../path-rules.ts'
import { linkRewriter } from './link-rewriter.ts'
import { tenantLinks } from './tenant-links.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const { jsonText, link: linkHeader } = tenantLinks([tenant], 'https://app.example.com', '/qlik', pathRules().isOpen)
const ours = 'https://app.example.com/qlik'

/** Feeds a document in pieces that end at the given places. */
function inPieces(document: Buffer, ends: readonly number[], locations = false): string {
  const rewriter = linkRewriter(jsonText, locations)
  const places = [0, ...[...ends].map(end => Math.min(end, document.length)).sort((a, b) => a - b), document.length]
  const out = places.slice(1).map((end, index) => Buffer.from(rewriter.push(document.subarray(places[index], end))))
  return Buffer.concat([...out, rewriter.end()]).toString()
}

/** The same rule, applied to the parsed document. */
function expected(document: unknown, locations: boolean): unknown {
  if (!isObject(document)) return document
  const lists = locations ? ['data', 'results'] : ['data']
  return mapped(withLinks(document), (key, value) =>
    lists.includes(key) && Array.isArray(value) ? value.map(item => expectedItem(item, locations)) : value,
  )
}
function expectedItem(item: unknown, locations: boolean): unknown {
  if (!isObject(item)) return item
  return mapped(withLinks(item), (key, value) =>
    locations && key === 'location' && typeof value === 'string' ? expectedLink(value) : value,
  )
}
function withLinks(object: Record<string, unknown>): Record<string, unknown> {
  return mapped(object, (key, links) =>
    key === 'links' && isObject(links)
      ? mapped(links, (_name, link) =>
          isObject(link)
            ? mapped(link, (name, href) => (name === 'href' && typeof href === 'string' ? expectedLink(href) : href))
            : link,
        )
      : links,
  )
}
function mapped(
  object: Record<string, unknown>,
  change: (key: string, value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(key, value)]))
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
  {
    weight: 3,
    arbitrary: fc.constantFrom('links', 'href', 'data', 'results', 'location', 'next', 'linksx', '"links"', '\\'),
  },
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

const link = fc.oneof(fc.record({ href: text, rel: text }, { requiredKeys: [] }), anyDocument)
const links = fc.oneof(fc.dictionary(key, link, { maxKeys: 3 }), anyDocument)
const item = fc.record({ id: anyDocument, links, location: text }, { requiredKeys: [] })
const list = fc.array(fc.oneof(item, anyDocument), { maxLength: 3 })
/** Documents of the shape that Qlik's have. */
const resource = fc.record({ a: anyDocument, links, data: list, results: list, b: links }, { requiredKeys: [] })

describe('link rewriter', () => {
  it('rewrites in any pieces what a parser finds in the whole', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyDocument, resource),
        fc.array(fc.nat(400), { maxLength: 8 }),
        fc.constantFrom(undefined, 2, '\t'),
        fc.boolean(),
        (value, ends, indent, locations) => {
          const document = Buffer.from(JSON.stringify(value, null, indent))
          expect(JSON.parse(inPieces(document, ends, locations))).toEqual(
            expected(JSON.parse(document.toString()), locations),
          )
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('rewrites byte by byte', () => {
    const document = Buffer.from(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${tenant}/api/?\\u0041"},"self":{"href" : "${tenant}/assets/b"}},"data":[{"links":{"a":{"href":"${tenant}/api/#f"}}}],"b":[{"links":{"a":{"href":"${tenant}/api/"}}}]}`,
    )
    const all = Array.from({ length: document.length }, (_, index) => index)
    expect(inPieces(document, all)).toBe(
      `{"a":"\\\\\\"links\\": {","links" :\n{"next":{"rel":"x","href":"${ours}/api/?\\u0041"},"self":{"href" : "${ours}/assets/b"}},"data":[{"links":{"a":{"href":"${ours}/api/#f"}}}],"b":[{"links":{"a":{"href":"${tenant}/api/"}}}]}`,
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
  ])('in a header: %s', (value, result) => expect(linkHeader(value)).toBe(result))

  it('leaves an href that is too long to be one, and holds nothing back', () => {
    const rewriter = linkRewriter(jsonText)
    const before = rewriter.push(Buffer.from('{"links":{"a":{"href":"')).toString()
    const long = Buffer.from(`${tenant}/${'x'.repeat(40_000)}`)
    expect(before + rewriter.push(long).toString() + rewriter.push(Buffer.from('"}}}')).toString()).toBe(
      `{"links":{"a":{"href":"${long}"}}}`,
    )
  })

  it('returns the same buffer where nothing changes', () => {
    const document = Buffer.from(JSON.stringify({ data: 'x'.repeat(1000), links: { next: { href: null } } }))
    expect(linkRewriter(jsonText).push(document)).toBe(document)
  })
})
