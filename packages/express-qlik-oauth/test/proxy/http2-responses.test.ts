import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
} from 'node:http2'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { selfSigned } from 'test-support/certificate'
import { restProxy } from '../../src/proxy/rest-proxy.ts'
import type { RestProxyOptions } from '../../src/proxy/rest-proxy-options.ts'
import { deferred } from '../support/deferred.ts'
import { fromOurPage, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, closing, httpServer, listening } from '../support/wire.ts'

afterEach(closeAll)

/** A proxy behind a server for HTTP/2, and a client of it. */
async function proxyOverHttp2(tenant: RequestListener, options: Partial<RestProxyOptions> = {}) {
  const { origin } = await httpServer(tenant)
  const codes: string[] = []
  const proxy = restProxy({
    authenticate: async () => ({ id: 'ada', tokens: tokenSource(origin) }),
    publicUrl,
    onEvent: ({ code }) => codes.push(code),
    ...options,
  })
  const certificate = selfSigned('localhost')
  const server = createSecureServer(certificate)
  // As an application passes them on; Node's types know no common type of the two versions.
  server.on('request', (request: unknown, response: unknown) =>
    proxy.serve(request as IncomingMessage, response as ServerResponse),
  )
  const { port } = await listening(server)
  const client = connect(`https://localhost:${port}`, { ca: certificate.cert })
  closing(async () => {
    client.destroy()
    await new Promise(done => server.close(done))
    await proxy.close({ graceMs: 0 })
  })
  return { client, proxy, codes }
}

/** What a client of HTTP/2 knows of a response at its end. */
async function responseOf(stream: ClientHttp2Stream) {
  const headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders | undefined
  let body = ''
  stream.on('response', received => Object.assign(headers, received))
  stream.on('trailers', received => (trailers = Object.fromEntries(Object.entries(received))))
  stream.on('error', () => {}).setEncoding('utf8')
  stream.on('data', chunk => (body += chunk))
  await new Promise<void>(closed => void stream.on('close', () => closed()))
  return { status: headers[':status'], headers, body, trailers, code: stream.rstCode }
}

const get = (client: ClientHttp2Session, path = '/qlik/api/v1/x') => responseOf(client.request({ ':path': path }))

describe('a response over HTTP/2', () => {
  it('is complete, with its trailers', async () => {
    const { client } = await proxyOverHttp2((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/csv', trailer: 'content-digest' })
      response.write('a,b\n')
      response.addTrailers({ 'content-digest': 'sha-256=:abc=:' })
      response.end()
    })
    const response = await get(client)
    expect(response).toMatchObject({ status: 200, body: 'a,b\n', code: constants.NGHTTP2_NO_ERROR })
    expect(response.trailers).toEqual({ 'content-digest': 'sha-256=:abc=:' })
  })

  it.each([
    ['text/csv', 'a,b\n1,2\n', 'a,b\n1,2\n'],
    ['application/x-ndjson', '{"a":1}\n', '{"a":1}\n'],
    ['text/event-stream', 'data: 1\n\n', 'data: 1\n\n'],
  ])('of %s that the tenant cuts off does not look complete', async (type, piece, received) => {
    const { client, codes } = await proxyOverHttp2((request, response) => {
      response.writeHead(200, { 'content-type': type }).write(piece)
      setTimeout(() => request.socket.resetAndDestroy(), 80)
    })
    expect(await get(client)).toMatchObject({
      status: 200,
      body: received,
      code: constants.NGHTTP2_INTERNAL_ERROR,
    })
    expect(codes).toEqual(['ERR_TENANT_RESET'])
  })

  it('of compressed JSON that the tenant cuts off does not look complete', async () => {
    const items = Array.from({ length: 20_000 }, () => ({ id: randomUUID(), links: { self: { href: '/api/v1/x' } } }))
    const compressed = gzipSync(JSON.stringify({ data: items }))
    const { client, codes } = await proxyOverHttp2((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.write(compressed.subarray(0, -1000), () => setTimeout(() => request.socket.resetAndDestroy(), 80))
    })
    const stream = client.request({ ':path': '/qlik/api/v1/x', 'accept-encoding': 'gzip' })
    expect(await responseOf(stream)).toMatchObject({ status: 200, code: constants.NGHTTP2_INTERNAL_ERROR })
    expect(codes).toEqual(['ERR_TENANT_RESET'])
  })

  it.each([
    ['GET', 200],
    ['POST', 200],
    ['POST', undefined],
  ])('to %s that the grace cuts off does not look complete (status %s)', async (method, status) => {
    const asked = deferred<void>()
    const { client, proxy } = await proxyOverHttp2((_request, response) => {
      if (status !== undefined) response.writeHead(status, { 'content-type': 'text/csv' }).write('a,b\n')
      asked.resolve()
    })
    const stream = client.request({ ':path': '/qlik/api/v1/x', ':method': method, ...fromOurPage })
    stream.end()
    const responding = responseOf(stream)
    await (status === undefined ? asked.promise : once(stream, 'data'))
    await proxy.close({ graceMs: 0 })
    expect(await responding).toMatchObject({ status, code: constants.NGHTTP2_INTERNAL_ERROR })
  })

  it.each([
    ['POST', undefined],
    ['PUT', '3'],
  ])('to %s whose body never begins is 503 after the grace, since the tenant has not received it', async (...asked) => {
    const [method, length] = asked
    const requests: unknown[] = []
    const { client, proxy, codes } = await proxyOverHttp2(({ url }) => requests.push(url))
    const stream = client.request({
      ':path': '/qlik/api/v1/x',
      ':method': method,
      ...(length === undefined ? {} : { 'content-length': length }),
      ...fromOurPage,
    })
    const responding = responseOf(stream)
    await get(client, '/qlik/other')
    await proxy.close({ graceMs: 50 })
    // The rest of the request is awaited for a moment, so that the client gets the whole response.
    stream.end(length === undefined ? undefined : 'abc')
    const { status, body } = await responding
    expect([status, JSON.parse(body).errors[0].code]).toEqual([503, 'closing'])
    expect(requests).toEqual([])
    expect(codes).toEqual(['ERR_PATH_NOT_ALLOWED', 'ERR_CLOSING'])
  })

  it('is not requested when the client left during authentication', async () => {
    let requests = 0
    const tenant = await httpServer((_request, response) => {
      requests += 1
      response.end('ok')
    })
    const authenticating = deferred<IncomingMessage>()
    const authenticated = deferred<void>()
    const { client, proxy } = await proxyOverHttp2(() => {}, {
      async authenticate(request) {
        authenticating.resolve(request)
        await authenticated.promise
        return { id: 'ada', tokens: tokenSource(tenant.origin) }
      },
    })
    const stream = client.request({ ':path': '/qlik/api/v1/x', ...fromOurPage })
    const closed = once(await authenticating.promise, 'close')
    stream.close(constants.NGHTTP2_CANCEL)
    await closed
    authenticated.resolve()
    const before = performance.now()
    await proxy.close({ graceMs: 60_000 })
    expect(performance.now() - before).toBeLessThan(30_000)
    expect(requests).toBe(0)
  })
})
