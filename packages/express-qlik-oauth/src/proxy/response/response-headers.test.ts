import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { QlikOAuthError } from 'qlik-oauth'
import { tokenSource } from '../../../test/support/rest-proxy.ts'
import { restProxySettings } from '../rest-proxy-options.ts'
import { tenantPools } from '../tenant-pool.ts'
import { forwardedResponseHeaders } from './forwarded-response-headers.ts'
import { responseHead, type TenantHeaders, withChangedBody } from './response-headers.ts'

const settings = restProxySettings({
  authenticate: async () => undefined,
  publicUrl: 'https://app.example.com',
  dangerouslyRunTenantPages: ['/api/v1/page'],
})
const pool = tenantPools(settings, path => path.startsWith('/api/')).to(tokenSource('https://acme.eu.qlikcloud.com'))

function head(received: TenantHeaders, requested: Record<string, string> = {}, status = 200, path = '/api/v1/x') {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, requested)
  const { headers, ...rest } = responseHead(received, status, { request, path, pool, settings })
  const entries: [string, string][] = []
  for (let index = 0; index < headers.length; index += 2) entries.push([headers[index] ?? '', headers[index + 1] ?? ''])
  return { entries, headers: Object.fromEntries(entries), ...rest }
}

const ours = ['x-content-type-options', 'content-security-policy', 'content-disposition', 'vary', 'cache-control']

describe('the head of a response', () => {
  /** As undici's parser hands them over: lower case, latin1, no line ends and no null bytes. */
  const value = fc
    .string({ unit: fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code)) })
    .filter(text => !/[\r\n\0]/.test(text))
  const dangerous = fc.constantFrom(
    'set-cookie',
    'x-accel-redirect',
    'x-sendfile',
    'set-login',
    'speculation-rules',
    'access-control-allow-origin',
    'cross-origin-opener-policy',
    'service-worker-allowed',
    'content-security-policy',
    'x-content-type-options',
    'clear-site-data',
    'strict-transport-security',
    'connection',
    '__proto__',
    'constructor',
  )
  const received = fc.dictionary(
    fc.oneof(fc.constantFrom(...forwardedResponseHeaders), dangerous, fc.stringMatching(/^[a-z][a-z-]{0,9}$/)),
    fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 })),
    { maxKeys: 20 },
  )
  const types = fc.constantFrom('text/html', 'image/svg+xml', 'application/json', 'image/png', 'text/html;x', '')

  it('has allowed headers only, each once, without control characters, always nosniff and private', () => {
    fc.assert(
      fc.property(received, types, fc.constantFrom(200, 206, 302, 304, 404), (headers, type, status) => {
        let result: ReturnType<typeof head>
        try {
          result = head({ ...headers, 'content-type': type }, {}, status)
        } catch (error) {
          expect(error).toBeInstanceOf(QlikOAuthError)
          return
        }
        const names = result.entries.map(([name]) => name)
        expect(new Set(names).size).toBe(names.length)
        for (const name of names) expect([...forwardedResponseHeaders, ...ours]).toContain(name)
        expect(result.headers).toMatchObject({ 'x-content-type-options': 'nosniff' })
        expect(result.headers['cache-control']).toMatch(/(?:^|, )(?:private|no-store)(?:,|$)/i)
        expect(result.headers.vary).toMatch(/(?:^|,)\s*(?:cookie|\*)\s*(?:,|$)/i)
        if (status !== 304 && /html|svg|^$/.test(type))
          expect(result.headers).toMatchObject({
            'content-security-policy': 'sandbox',
            'content-disposition': expect.stringMatching(/^attachment/),
          })

        // What Node refuses to write becomes a 502; what it writes has no control characters.
        const response = new ServerResponse(new IncomingMessage(new Socket()))
        let written = true
        try {
          response.writeHead(status, result.entries.flat())
        } catch {
          written = false
        }
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        if (written) expect(result.entries.map(([, text]) => text).join('')).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f]/)
      }),
      { numRuns: 2000 },
    )
  })

  it.each<[string, string | undefined, string | undefined]>([
    ['document', 'sandbox', 'attachment'],
    ['iframe', 'sandbox', 'attachment'],
    ['frame', 'sandbox', 'attachment'],
    ['fencedframe', 'sandbox', 'attachment'],
    ['object', 'sandbox', 'attachment'],
    ['embed', 'sandbox', 'attachment'],
    ['unheard-of', 'sandbox', 'attachment'],
    ['image', 'sandbox', undefined],
    ['empty', 'sandbox', undefined],
  ])('of HTML for %s', (destination, policy, disposition) => {
    const { headers } = head({ 'content-type': 'text/html' }, { 'sec-fetch-dest': destination })
    expect(headers['content-security-policy']).toBe(policy)
    expect(headers['content-disposition']).toBe(disposition)
    expect(headers.vary).toBe('Sec-Fetch-Dest, Cookie')
  })

  it.each([
    ['inline; filename="a.html"', 'attachment; filename="a.html"'],
    ['INLINE', 'attachment'],
    [';inline', 'attachment;inline'],
    ['attachment; filename=a', 'attachment; filename=a'],
  ])('makes %j a download, and keeps the name', (received, expected) => {
    const { headers } = head({ 'content-type': 'text/html', 'content-disposition': received })
    expect(headers['content-disposition']).toBe(expected)
  })

  it.each([
    'text/javascript; charset=utf-8',
    'application/javascript',
    'text/css',
    'font/woff2',
    'application/font-woff',
    'image/png',
    'image/webp',
    'application/json; charset=utf-8',
    'application/problem+json',
    'application/x-ndjson',
    'text/csv',
    'text/plain',
    'application/pdf',
    'application/octet-stream',
    'application/wasm',
    'video/mp4',
    'text/event-stream',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  ])('leaves %s alone', type => {
    const { headers } = head({ 'content-type': type, 'content-disposition': 'inline; filename=x' })
    expect(headers).toMatchObject({ 'content-type': type, 'content-disposition': 'inline; filename=x' })
    expect(headers).not.toHaveProperty('content-security-policy')
  })

  it('of a 304 leaves the policy of the stored response alone', () => {
    expect(head({ etag: '"a"' }, {}, 304).headers).not.toHaveProperty('content-security-policy')
  })

  it('of an opened path is that of the tenant', () => {
    const { headers } = head({ 'content-type': 'text/html' }, {}, 200, '/api/v1/page')
    expect(headers).not.toHaveProperty('content-security-policy')
    expect(headers).not.toHaveProperty('content-disposition')
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff' })
  })

  it('cannot be stripped by Connection of what keeps content from running', () => {
    const { headers } = head({
      connection:
        'close, content-type, content-disposition, content-security-policy, x-content-type-options, vary, etag',
      'content-type': 'text/html',
      etag: '"a"',
    })
    expect(headers).toEqual({
      'content-type': 'text/html',
      'content-disposition': 'attachment',
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private',
      vary: 'Sec-Fetch-Dest, Cookie',
    })
  })

  it('has a weak ETag once the body has changed', () => {
    const changed = (etag: string) =>
      withChangedBody(responseHeadOf({ etag, 'content-length': '5', digest: 'x' })).headers
    expect(changed('"a"')).toEqual(expect.arrayContaining(['etag', 'W/"a"']))
    expect(changed('W/"a"')).toEqual(expect.arrayContaining(['etag', 'W/"a"']))
    for (const name of ['content-length', 'digest']) expect(changed('"a"')).not.toContain(name)
    expect(head({ etag: '"a"' }, { 'if-none-match': '"b", W/"a"' }, 304).headers.etag).toBe('W/"a"')
    expect(head({ etag: '"a"' }, { 'if-none-match': '"a"' }, 304).headers.etag).toBe('"a"')
  })

  function responseHeadOf(received: TenantHeaders) {
    const request = new IncomingMessage(new Socket())
    return responseHead(received, 200, { request, path: '/api/v1/x', pool, settings })
  }

  it.each([
    ['/api/v1/\u00c3\u00bcber?q=\u00c3\u00bc', '/qlik/api/v1/%C3%BCber?q=%C3%BC'],
    ['/api/v1/%C3%BCber', '/qlik/api/v1/%C3%BCber'],
    ['https://elsewhere.example/\u00c3\u00bc', 'https://elsewhere.example/%C3%BC'],
    ['/api/v1/\u00fc', '/qlik/api/v1/%FC'],
  ])('encodes the bytes of Location %j once', (location, expected) => {
    expect(head({ location }, {}, 302).headers.location).toBe(expected)
  })
})
