import { once } from 'node:events'
import { createServer } from 'node:net'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { QlikOAuthError } from 'qlik-oauth'
import { fromOurPage, proxyTo, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, get, httpServer, open, rawServer, read, responseOf, until } from '../support/wire.ts'

afterEach(closeAll)

/** A tenant that responds with these bytes to every request. */
async function saying(response: string | ((origin: string) => string), andThen: 'ends' | 'stays' | 'resets' = 'ends') {
  const heads: string[] = []
  const tenant = await rawServer((socket, head) => {
    heads.push(head)
    const bytes = typeof response === 'string' ? response : response(tenant.origin)
    socket.write(bytes, () => {
      if (andThen === 'ends') socket.end()
      if (andThen === 'resets') socket.resetAndDestroy()
    })
  })
  return { ...tenant, heads }
}

const ok = (headers: string, body = 'ok'): string =>
  `HTTP/1.1 200 OK\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const codeOf = (body: string): unknown => JSON.parse(body).errors[0].code

describe('a file name beyond ASCII', () => {
  it.each([
    ['UTF-8', 'content-length: 2\r\n', Buffer.from('日本.pdf').toString('latin1'), '__.pdf', '%E6%97%A5%E6%9C%AC.pdf'],
    ['UTF-8', 'connection: close\r\n', Buffer.from('日本.pdf').toString('latin1'), '__.pdf', '%E6%97%A5%E6%9C%AC.pdf'],
    ['ISO 8859-1', 'content-length: 2\r\n', 'Ums\xe4tze.pdf', 'Ums_tze.pdf', 'Ums%C3%A4tze.pdf'],
    ['ISO 8859-1', 'connection: close\r\n', 'Ums\xe4tze.pdf', 'Ums_tze.pdf', 'Ums%C3%A4tze.pdf'],
  ])('in %s arrives with %j', async (_title, framing, name, fallback, extended) => {
    const tenant = await rawServer(socket =>
      socket.end(
        `HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\n${framing}content-disposition: attachment; filename="${name}"\r\n\r\nok`,
        'latin1',
      ),
    )
    const { port, events } = await proxyTo(tenant.origin)
    const response = await get(port, '/qlik/api/v1/x', fromOurPage, 'POST')
    expect([response.status, response.body, response.complete]).toEqual([200, 'ok', true])
    expect(response.headers['content-disposition']).toBe(
      `attachment; filename="${fallback}"; filename*=UTF-8''${extended}`,
    )
    expect(events).toEqual([])
  })
})

describe('headers of the tenant', () => {
  it('reach the client by an allow-list', async () => {
    const tenant = await saying(
      ok(
        [
          'Set-Cookie: a=b; Path=/',
          'WWW-Authenticate: Bearer',
          'Server: envoy',
          'X-Powered-By: x',
          'Strict-Transport-Security: max-age=1',
          'Content-Security-Policy: default-src *',
          'Content-Security-Policy-Report-Only: default-src *',
          'Clear-Site-Data: "*"',
          'Access-Control-Allow-Origin: *',
          'Access-Control-Allow-Credentials: true',
          'Alt-Svc: h3=":443"',
          'Service-Worker-Allowed: /',
          'CDN-Cache-Control: public',
          'Connection: close, X-Hop, Deprecation, Content-Type, Content-Length, Cache-Control, X-Content-Type-Options',
          'X-Hop: secret',
          'X-Accel-Redirect: /etc/passwd',
          'X-Accel-Buffering: no',
          'X-Sendfile: /etc/passwd',
          'X-Lighttpd-Send-File: /etc/passwd',
          'Set-Login: logged-in',
          'Speculation-Rules: "/rules.json"',
          'Cross-Origin-Opener-Policy: same-origin',
          'Cross-Origin-Embedder-Policy: require-corp',
          'Cross-Origin-Resource-Policy: cross-origin',
          'Origin-Agent-Cluster: ?1',
          'Document-Policy: x',
          'Use-As-Dictionary: match="/*"',
          'X-Frame-Options: DENY',
          'Refresh: 0; url=https://evil.example',
          'SourceMap: https://evil.example',
          'Keep-Alive: timeout=1',
          'Proxy-Authenticate: Basic',
          'Upgrade: h2c',
          'ETag: "strong"',
          'Retry-After: 3',
          'Deprecation: true',
          'Sunset: Sat, 31 Dec 2026 23:59:59 GMT',
          'Content-Type: text/plain',
          'Content-Disposition: attachment',
          'X-Content-Type-Options: nosniff',
          'Date: Tue, 24 Nov 2026 00:00:00 GMT',
          '',
        ].join('\r\n'),
      ),
    )
    const { port } = await proxyTo(tenant.origin)
    expect((await get(port, '/qlik/api/v1/x')).headers).toEqual({
      etag: '"strong"',
      'retry-after': '3',
      sunset: 'Sat, 31 Dec 2026 23:59:59 GMT',
      'content-type': 'text/plain',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      date: 'Tue, 24 Nov 2026 00:00:00 GMT',
      'content-length': '2',
      'cache-control': 'private',
      vary: 'Cookie',
      connection: 'close',
    })
  })

  it.each([
    ['', 'private'],
    ['cache-control: public, max-age=60\r\n', 'private, max-age=60'],
    [
      'cache-control: max-age=60, s-maxage=900, immutable\r\ncache-control: proxy-revalidate\r\n',
      'private, max-age=60, immutable',
    ],
    ['cache-control: no-store\r\n', 'no-store'],
    [
      'cache-control: private="set-cookie, x", no-cache="public", max-age=1\r\n',
      'private, no-cache="public", max-age=1',
    ],
    ['CACHE-CONTROL: PUBLIC\r\n', 'private'],
  ])('%j is for one user: %s', async (headers, cacheControl) => {
    const { port } = await proxyTo((await saying(ok(headers))).origin)
    expect((await get(port, '/qlik/assets/x.js')).headers['cache-control']).toBe(cacheControl)
  })

  it.each([
    ['vary: Accept-Encoding\r\nVary: Origin\r\n', 'Accept-Encoding, Origin, Cookie'],
    ['vary: cookie\r\n', 'cookie'],
    ['vary: *\r\n', '*'],
  ])('%j varies by login: %s', async (headers, vary) => {
    const { port } = await proxyTo((await saying(ok(`content-type: text/css\r\n${headers}`))).origin)
    expect((await get(port, '/qlik/api/v1/x')).headers.vary).toBe(vary)
  })

  it.each([
    ['a name twice', 'content-length: 5\r\n'],
    ['framing in two ways', 'transfer-encoding: chunked\r\n'],
    ['a null byte', 'x: a\0b\r\n'],
    ['a name with a space', 'x y: b\r\n'],
    ['a carriage return', 'x: a\rset-cookie: b=c\r\n'],
    ['a line feed', 'x: a\nset-cookie: b=c\r\n'],
    ['a megabyte', `x: ${'x'.repeat(1024 * 1024)}\r\n`],
  ])('%s is a 502', async (_title, headers) => {
    const { port } = await proxyTo((await saying(ok(headers))).origin)
    const response = await get(port, '/qlik/api/v1/x')
    expect(response).toMatchObject({ status: 502, complete: true })
    expect(codeOf(response.body)).toMatch(/^tenant_/)
  })
})

describe('redirects', () => {
  it.each<[string, (origin: string) => string, string | undefined]>([
    ['an absolute URL of the tenant', origin => `${origin}/api/v1/users/1?a=b#c`, '/qlik/api/v1/users/1?a=b#c'],
    ['a path', () => '/api/v1/users/1', '/qlik/api/v1/users/1'],
    ['a relative path', () => '../apps/1', '/qlik/api/v1/apps/1'],
    ['the tenant without a scheme', origin => `${origin.slice(5)}/api/v1/a`, '/qlik/api/v1/a'],
    ['the tenant with a user name', origin => `${origin.replace('//', '//user:pass@')}/api/v1/a`, '/qlik/api/v1/a'],
    ['another host', () => 'https://storage.example/file?signature=x', 'https://storage.example/file?signature=x'],
    ['a host that begins like the tenant', origin => `${origin}.evil.example/x`, undefined],
    ['another host without a scheme', () => '//other.example/a', 'http://other.example/a'],
    ['another host with backslashes', () => '\\\\other.example\\a', 'http://other.example/a'],
    ['another host behind a slash', () => '/\\other.example/a', 'http://other.example/a'],
    ['the tenant by another protocol', origin => `${origin.replace('http', 'ftp')}/a`, undefined],
    ['a path that looks like a host', origin => `${origin}//other.example/a`, '/qlik//other.example/a'],
    ['no web page', () => 'javascript:alert(1)', undefined],
    ['nothing', () => 'http://[', undefined],
  ])('to %s', async (_title, location, expected) => {
    const tenant = await saying(
      origin => `HTTP/1.1 307 x\r\nlocation: ${location(origin)}\r\ncontent-length: 0\r\n\r\n`,
    )
    const { port } = await proxyTo(tenant.origin)
    const response = await get(port, '/qlik/api/v1/users/me')
    expect(response.status).toBe(307)
    expect(response.headers.location).toBe(expected)
    expect(tenant.heads).toHaveLength(1)
  })

  it('of the current user lead to the user through the proxy', async () => {
    const tenant = await httpServer((request, response) => {
      if (request.url === '/api/v1/users/me') response.writeHead(302, { location: '/api/v1/users/1' }).end()
      else response.end(`${request.url} ${request.headers.authorization}`)
    })
    const { port } = await proxyTo(tenant.origin)
    const { headers } = await get(port, '/qlik/api/v1/users/me')
    expect((await get(port, headers.location ?? '')).body).toBe('/api/v1/users/1 Bearer token-1')
  })

  it('of product-info.json become 404', async () => {
    const { port } = await proxyTo(
      (await saying('HTTP/1.1 302 x\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n')).origin,
    )
    expect(await get(port, '/qlik/resources/autogenerated/product-info.json')).toMatchObject({
      status: 404,
      complete: true,
    })
  })
})

describe('JSON', () => {
  const document = (origin: string): string =>
    JSON.stringify({
      data: [
        {
          id: 1,
          url: `${origin}/x`,
          links: { self: { href: `${origin}/api/v1/items/1` } },
          meta: { links: { self: { href: `${origin}/api/v1/items/1` } } },
        },
      ],
      user: { links: { self: { href: `${origin}/api/v1/items/1` } }, data: [{ links: { a: { href: '/api/v1/a' } } }] },
      text: `"links":{"a":{"href":"${origin}/"}}`,
      links: {
        next: { href: `${origin}/api/v1/items?page=2&a=ü` },
        prev: { href: null },
        first: { href: '/api/v1/items' },
        open: { href: `${origin}/sense/app/1` },
        log: `${origin}/api/v1/logs`,
        list: [{ href: `${origin}/api/v1/logs` }],
        other: { href: 'https://elsewhere.example/' },
      },
    })
  const expected = (origin: string): unknown => ({
    data: [
      {
        id: 1,
        url: `${origin}/x`,
        links: { self: { href: `${publicUrl}/qlik/api/v1/items/1` } },
        meta: { links: { self: { href: `${origin}/api/v1/items/1` } } },
      },
    ],
    user: { links: { self: { href: `${origin}/api/v1/items/1` } }, data: [{ links: { a: { href: '/api/v1/a' } } }] },
    text: `"links":{"a":{"href":"${origin}/"}}`,
    links: {
      next: { href: `${publicUrl}/qlik/api/v1/items?page=2&a=ü` },
      prev: { href: null },
      first: { href: '/qlik/api/v1/items' },
      open: { href: `${origin}/sense/app/1` },
      log: `${origin}/api/v1/logs`,
      list: [{ href: `${origin}/api/v1/logs` }],
      other: { href: 'https://elsewhere.example/' },
    },
  })
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
  const plain = (body: Buffer): Buffer => body
  const padding = ' '.repeat(200_000)

  it.each<[string, (body: Buffer) => Buffer, (body: Buffer) => Buffer, string | undefined, boolean, string]>([
    ['plain', plain, plain, undefined, true, ''],
    ['plain, in chunks', plain, plain, undefined, false, ''],
    ['plain, long', plain, plain, undefined, true, padding],
    ['plain, long, in chunks', plain, plain, undefined, false, padding],
    ['gzip', gzipSync, gunzipSync, 'gzip', true, ''],
    ['gzip, in chunks', gzipSync, gunzipSync, 'gzip', false, ''],
    ['gzip, long', body => gzipSync(body, { level: 0 }), gunzipSync, 'gzip', true, padding],
    ['gzip, long, in chunks', body => gzipSync(body, { level: 0 }), gunzipSync, 'gzip', false, padding],
    ['gzip, long once decompressed', gzipSync, gunzipSync, 'gzip', true, padding.repeat(5)],
    ['gzip, long once decompressed, in chunks', gzipSync, gunzipSync, 'gzip', false, padding.repeat(5)],
    ['brotli', brotliCompressSync, brotliDecompressSync, 'br', true, ''],
    ['brotli, long once decompressed', brotliCompressSync, brotliDecompressSync, 'br', true, padding.repeat(5)],
  ])('%s: links lead to the proxy, and nothing else changes', async (_title, encode, decode, encoding, known, pad) => {
    const tenant = await httpServer((_request, response) => {
      const body = encode(Buffer.from(document(tenant.origin) + pad))
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        etag: '"strong"',
        digest: 'x',
        ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
        ...(known ? { 'content-length': body.length } : {}),
      })
      response.end(body)
    })
    const { port } = await proxyTo(tenant.origin)
    const response = await get(port, '/qlik/api/v1/items', { 'accept-encoding': encoding ?? 'identity' })
    expect(response).toMatchObject({ status: 200, complete: true, headers: { etag: 'W/"strong"' } })
    expect(response.headers['content-encoding']).toBe(encoding)
    expect(response.headers).not.toHaveProperty('digest')
    expect(JSON.parse(decode(bytes(response.body)).toString())).toEqual(expected(tenant.origin))
  })

  it.each<[string, string, (origin: string) => string]>([
    [
      'a document without links of the tenant',
      'content-type: application/json\r\n',
      () => '{"links":{"next":{"href":null}}}',
    ],
    ['something that is not JSON', 'content-type: text/plain\r\n', document],
    ['lines of JSON', 'content-type: application/x-ndjson\r\n', document],
    ['another charset', 'content-type: application/json; charset=utf-16\r\n', document],
    ['an unknown coding', 'content-type: application/json\r\ncontent-encoding: zstd\r\n', document],
    ['a coding that it is not in', 'content-type: application/json\r\ncontent-encoding: gzip\r\n', document],
    ['no type', '', document],
  ])('%s passes byte for byte', async (_title, headers, body) => {
    const tenant = await saying(origin => ok(headers, body(origin)))
    const { port } = await proxyTo(tenant.origin)
    const response = await get(port, '/qlik/api/v1/items')
    expect(response.raw).toBe(body(tenant.origin).replace('ü', 'Ã¼'))
    expect(response.headers['content-length']).toBe(String(response.raw.length))
  })

  it('in part passes byte for byte', async () => {
    const tenant = await saying(origin =>
      ok('content-type: application/json\r\ncontent-range: bytes 0-1/9\r\n', document(origin)).replace('200', '206'),
    )
    const { port } = await proxyTo(tenant.origin)
    expect(await get(port, '/qlik/api/v1/items')).toMatchObject({
      status: 206,
      headers: { 'content-range': 'bytes 0-1/9' },
    })
  })

  it('that would fill the memory once decompressed is cut off', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('{"links":{'), Buffer.alloc(64 * 1024 * 1024, 0x20)]))
    const tenant = await httpServer((_request, response) =>
      response
        .writeHead(200, {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          'content-length': bomb.length,
        })
        .end(bomb),
    )
    const { port, events } = await proxyTo(tenant.origin, { limits: { decompressedBytes: 4 * 1024 * 1024 } })
    const response = await get(port, '/qlik/api/v1/items')
    expect(response.complete).toBe(false)
    expect(events).toMatchObject([{ type: 'failed', code: 'ERR_TENANT_RESPONSE' }])
  })
})

describe('responses without a body', () => {
  it.each([
    ['HEAD', 'HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 1234\r\n\r\n', 200, undefined],
    ['HEAD', 'HTTP/1.1 200 x\r\ncontent-type: image/png\r\ncontent-length: 1234\r\n\r\n', 200, '1234'],
    ['GET', 'HTTP/1.1 304 x\r\netag: "a"\r\ncontent-length: 1234\r\n\r\n', 304, '1234'],
    ['DELETE', 'HTTP/1.1 204 x\r\n\r\n', 204, undefined],
    ['DELETE', 'HTTP/1.1 204 x\r\ncontent-length: 5\r\n\r\nhello', 204, undefined],
    ['GET', 'HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n', 200, '0'],
  ])('%s %j', async (method, response, status, length) => {
    const { port } = await proxyTo((await saying(response)).origin)
    const seen = await get(port, '/qlik/api/v1/x', fromOurPage, method)
    expect(seen).toMatchObject({ status, raw: '' })
    expect(seen.headers['content-length']).toBe(length)
  })
})

describe('a tenant that fails', () => {
  it.each<[string, () => Promise<string>, number, string]>([
    ['refuses the connection', refusingOrigin, 502, 'tenant_unreachable'],
    ['has no address', async () => 'https://tenant.invalid', 502, 'tenant_unreachable'],
    ['ends the connection', async () => (await saying('')).origin, 502, 'tenant_reset'],
    ['resets the connection', async () => (await saying('HTTP/1.1 200', 'resets')).origin, 502, 'tenant_reset'],
    ['speaks something else', async () => (await saying('SSH-2.0-OpenSSH\r\n')).origin, 502, 'tenant_response'],
    [
      'switches protocols',
      async () => (await saying('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')).origin,
      502,
      'tenant_reset',
    ],
    [
      'resets in the middle of short JSON',
      async () =>
        (await saying(ok('content-type: application/json\r\n', 'x'.repeat(50)).slice(0, -9), 'resets')).origin,
      502,
      'tenant_reset',
    ],
  ])('%s', async (_title, origin, status, code) => {
    const { port, events } = await proxyTo(await origin())
    const response = await get(port, '/qlik/api/v1/x?token=secret')
    expect(response).toMatchObject({ status, complete: true })
    const { errors, traceId } = JSON.parse(response.body)
    expect(errors).toMatchObject([{ code, status: String(status) }])
    expect(response.body).not.toMatch(/127\.0\.0\.1|tenant\.invalid|ECONN|node:/)
    expect(events).toMatchObject([
      { type: 'failed', code: `ERR_${code.toUpperCase()}`, path: '/qlik/api/v1/x', traceId },
    ])
    expect(JSON.stringify(events)).not.toContain('token')
  })

  it('without a response gets 504', async () => {
    const tenant = await saying('', 'stays')
    const { port } = await proxyTo(tenant.origin, { timeouts: { headersMs: 100 } })
    const response = await get(port, '/qlik/api/v1/x')
    expect(response).toMatchObject({ status: 504, complete: true })
    expect(codeOf(response.body)).toBe('tenant_timeout')
  })

  it('without a free connection gets 503', async () => {
    const tenant = await saying(ok('').slice(0, -1), 'stays')
    const { port } = await proxyTo(tenant.origin, {
      connections: 1,
      timeouts: { headersMs: 100 },
      limits: { waiting: 1 },
    })
    const first = open(port, 'GET /qlik/api/v1/x HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(first, '\r\n\r\no')
    const [second, third] = await Promise.all([get(port, '/qlik/api/v1/x'), get(port, '/qlik/api/v1/x')])
    expect([second, third].map(({ status, headers }) => [status, headers['retry-after']])).toEqual([
      [503, '5'],
      [503, '5'],
    ])
  })

  it.each<[string, string, 'stays' | 'resets' | 'ends']>([
    ['resets in the middle of a body', `HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(1000)}`, 'resets'],
    ['ends in the middle of a body', `HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(1000)}`, 'ends'],
    ['ends in the middle of chunks', `HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`, 'ends'],
    ['resets in the middle of chunks', `HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`, 'resets'],
    [
      'ends in the middle of JSON',
      `HTTP/1.1 200 x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n"hell\r\n`,
      'ends',
    ],
    ['sends a chunk that is none', `HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`, 'stays'],
    ['stalls in the middle of a body', `HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(1000)}`, 'stays'],
  ])('%s: the client never sees a complete response', async (_title, bytes, andThen) => {
    const tenant = await saying(bytes, andThen)
    const { port, events } = await proxyTo(tenant.origin, { timeouts: { bodyMs: 100 } })
    expect((await get(port, '/qlik/api/v1/x')).complete).toBe(false)
    expect(events).toMatchObject([{ type: 'failed' }])
  })

  it('that responds early delivers its whole response', async () => {
    const tenant = await rawServer(socket => void socket.write('HTTP/1.1 413 x\r\ncontent-length: 4\r\n\r\nlong'))
    const { port } = await proxyTo(tenant.origin)
    const request = `POST /qlik/api/v1/x HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\ncontent-length: ${2 ** 31}\r\n\r\n${'x'.repeat(100_000)}`
    expect(responseOf(await read(open(port, request)))).toMatchObject({ status: 413, body: 'long', complete: true })
  })
})

describe('an access token that the tenant refuses', () => {
  const refusing = (good: string) =>
    httpServer((request, response) => {
      const { authorization, cookie } = request.headers
      expect(cookie).toBeUndefined()
      request.resume()
      if (authorization === `Bearer ${good}`) response.end(`served ${request.method}`)
      else
        response
          .writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Bearer' })
          .end('{"errors":[{"code":"AUTHN-1"}]}')
    })

  it('is refreshed once, and the request sent again', async () => {
    const tenant = await refusing('token-2')
    const tokens = tokenSource(tenant.origin)
    const { port } = await proxyTo(tenant.origin, { tokens })
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({ status: 200, body: 'served GET' })
    expect(await get(port, '/qlik/api/v1/x', fromOurPage, 'POST')).toMatchObject({ status: 200, body: 'served POST' })
    expect(tokens.rejected).toEqual(['token-1'])
  })

  it('is refreshed once only', async () => {
    const tenant = await refusing('never')
    const tokens = tokenSource(tenant.origin)
    const { port } = await proxyTo(tenant.origin, { tokens })
    const response = await get(port, '/qlik/api/v1/x')
    expect(response).toMatchObject({ status: 401, body: '{"errors":[{"code":"AUTHN-1"}]}' })
    expect(response.headers['www-authenticate']).toBe('Session realm="application"')
    expect(tokens.rejected).toEqual(['token-1'])
  })

  it('is refreshed for the next request when this one had a body', async () => {
    const tenant = await refusing('token-2')
    const tokens = tokenSource(tenant.origin)
    const { port } = await proxyTo(tenant.origin, { tokens })
    const post = () => get(port, '/qlik/api/v1/x', { ...fromOurPage, 'content-length': '3' }, 'POST', 'abc')
    expect(await post()).toMatchObject({ status: 401, body: '{"errors":[{"code":"AUTHN-1"}]}' })
    expect(tokens.rejected).toEqual(['token-1'])
    expect(await post()).toMatchObject({ status: 200, body: 'served POST' })
  })

  it.each([
    ['ERR_SESSION_EXPIRED', 401, 'session_expired'],
    ['ERR_TOKEN_UNAVAILABLE', 503, 'token_unavailable'],
    ['ERR_STORE_UNAVAILABLE', 503, 'store_unavailable'],
  ] as const)('and cannot be renewed is an error: %s', async (error, status, code) => {
    const tenant = await refusing('never')
    const tokens = {
      tenant: tenant.origin,
      accessToken: async (options?: { rejected?: string }) => {
        if (options?.rejected !== undefined) throw new QlikOAuthError(error, `at ${tenant.origin}`)
        return 'token-1'
      },
    }
    const { port } = await proxyTo(tenant.origin, { tokens })
    const response = await get(port, '/qlik/api/v1/x')
    expect(response.status).toBe(status)
    expect(codeOf(response.body)).toBe(code)
  })
})

describe('authentication', () => {
  it.each<[string, () => Promise<undefined>, number, string]>([
    ['an unauthenticated request', async () => undefined, 401, 'login_required'],
    [
      'an unavailable store',
      () => Promise.reject(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'x')),
      503,
      'store_unavailable',
    ],
    ['a defect', () => Promise.reject(new TypeError('x of undefined at 10.0.0.1')), 500, 'internal'],
  ])('with %s never reaches the tenant', async (_title, access, status, code) => {
    const tenant = await saying(ok(''))
    const { port } = await proxyTo(tenant.origin, { authenticate: access })
    for (const path of [
      '/qlik/api/v1/x',
      '/qlik/assets/x.js',
      '/qlik/qlik-embed/main.js',
      '/qlik/resources/autogenerated/product-info.json',
    ]) {
      const response = await get(port, path, { accept: 'text/html', 'user-agent': 'kube-probe/1.0' })
      expect(response.status).toBe(status)
      expect(codeOf(response.body)).toBe(code)
      expect(response.headers).not.toHaveProperty('location')
    }
    expect(tenant.heads).toEqual([])
  })
})

/** The origin of a server that has just closed. */
async function refusingOrigin(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(done => server.close(done))
  return `http://127.0.0.1:${port}`
}
