import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { errorCatalogue, QlikOAuthError } from 'qlik-oauth'
import { errorResponse, httpError, sendError } from './error-response.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'

describe('error response', () => {
  it('has the shape of errors of Qlik Cloud', () => {
    const { status, headers, body } = errorResponse(httpError('ERR_CROSS_SITE', 'Send it from the page.'), traceId)
    expect(status).toBe(403)
    expect(headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    expect(JSON.parse(body)).toEqual({
      errors: [
        {
          code: 'cross_site',
          title: 'Cross-site request refused',
          detail: 'Send it from the page.',
          status: '403',
        },
      ],
      traceId,
    })
  })

  it.each([
    [
      'a login that ended',
      new QlikOAuthError('ERR_SESSION_EXPIRED', 'Login of alice at https://acme.eu.qlikcloud.com ended'),
      401,
      'session_expired',
    ],
    [
      'an unavailable store',
      new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'connect ECONNREFUSED 10.0.0.7:6379'),
      503,
      'store_unavailable',
    ],
    ['an unexpected error', new Error('token eyJhbGciOi'), 500, 'internal'],
    ['a value that is no error', 'eyJhbGciOi', 500, 'internal'],
    ['nothing', undefined, 500, 'internal'],
  ])('does not show what is inside %s', (_title, error, status, code) => {
    const { body, ...rest } = errorResponse(error)
    expect(rest.status).toBe(status)
    expect(JSON.parse(body)).toMatchObject({
      errors: [{ code, status: String(status) }],
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(JSON.stringify([rest, body])).not.toMatch(/acme|alice|10\.0\.0\.7|eyJ|stack|at .*:\d+/)
  })

  it('says when to try again, always for 503', () => {
    expect(
      errorResponse(new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', 'x', { retryAfterSeconds: 17 })).headers['retry-after'],
    ).toBe('17')
    const codes = Object.entries(errorCatalogue).filter(([, { status }]) => status === 503)
    expect(codes.length).toBeGreaterThan(3)
    expect(errorResponse(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'x')).headers['retry-after']).toBe('5')
    expect(errorResponse(httpError('ERR_TENANT_BUSY', 'x')).headers['retry-after']).toBe('5')
  })

  it('has a challenge that opens no dialog in browsers, for 401 only', () => {
    for (const [code, { status }] of Object.entries(errorCatalogue)) {
      const { headers } = errorResponse(new QlikOAuthError(code as keyof typeof errorCatalogue, 'x'))
      expect(headers['www-authenticate']).toBe(status === 401 ? 'Session realm="application"' : undefined)
    }
  })

  it('names the allowed methods', () => {
    expect(errorResponse(httpError('ERR_METHOD_NOT_ALLOWED', 'x', { allow: ['GET', 'HEAD'] })).headers.allow).toBe(
      'GET, HEAD',
    )
  })
})

describe('sending an error', () => {
  const server = createServer((request, response) => {
    const refuse = (): void => sendError(response, httpError('ERR_CROSS_SITE', 'Send it from the page.'), traceId)
    if (request.url === '/begun') response.write('{"data":[', refuse)
    else refuse()
  })
  let port = 0

  beforeEach(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  it('cuts off a response that has begun', async () => {
    const request = httpRequest({ port, path: '/begun' }).end()
    const [response] = await once(request, 'response')
    await expect(response.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('keeps the connection of a request without a body', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\nHEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    const text = Buffer.concat(await socket.toArray()).toString()
    expect(text.match(/HTTP\/1\.1 403/g)).toHaveLength(2)
    expect(text.match(/"traceId"/g)).toHaveLength(1)
  })

  it('reaches a client that is still sending, and does not read its upload to the end', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${2 ** 31}\r\n\r\n${'x'.repeat(300_000)}`)
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    await once(socket, 'close')
    expect(Buffer.concat(chunks).toString()).toMatch(
      /^HTTP\/1\.1 403 [\s\S]*connection: close[\s\S]*"traceId":"0af7651916cd43dd8448eb211c80319c"}$/i,
    )
  })
})
