import { once } from 'node:events'
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2'
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import { fromOurPage, proxyTo } from '../support/rest-proxy.ts'
import { closeAll, closing, get, httpServer, listening, open, rawServer, read } from '../support/wire.ts'

afterEach(closeAll)

const ok = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'
const codeOf = (body: string): unknown => JSON.parse(body).errors[0].code

/** A tenant that responds in these pieces, one packet each. */
async function inPieces(...pieces: string[]): Promise<string> {
  const { origin } = await rawServer(async socket => {
    socket.setNoDelay(true)
    for (const piece of pieces) {
      socket.write(piece, 'latin1')
      await new Promise(done => setTimeout(done, 5))
    }
  })
  return origin
}

describe('interim responses', () => {
  const hundred = 'HTTP/1.1 100 Continue\r\n\r\n'
  const hint = 'HTTP/1.1 103 Early Hints\r\nlink: </qlik-embed/a.css>; rel=preload\r\n\r\n'

  it.each<[string, string[]]>([
    ['102', [`HTTP/1.1 102 Processing\r\n\r\n${ok}`]],
    ['103 twice', [hint, hint + ok]],
    ['103 without a link', [`HTTP/1.1 103 x\r\n\r\n${ok}`]],
    ['103 with an invalid link', [`HTTP/1.1 103 x\r\nlink: nonsense\r\n\r\n${ok}`]],
    ['103 with a length', [`HTTP/1.1 103 x\r\ncontent-length: 5\r\n\r\n${ok}`]],
    ['an unknown one', [`HTTP/1.1 199 x\r\n\r\n${ok}`]],
    ['none, in the smallest pieces', [...ok]],
  ])('%s', async (_title, pieces) => {
    const { port, events } = await proxyTo(await inPieces(...pieces))
    for (const method of ['GET', 'POST']) {
      const headers = { ...fromOurPage, ...(method === 'POST' ? { 'content-length': '3' } : {}) }
      expect(await get(port, '/qlik/api/v1/x', headers, method, method === 'POST' ? 'abc' : '')).toMatchObject({
        status: 200,
        body: 'ok',
        complete: true,
      })
    }
    expect(events).toEqual([])
  })

  it.each<[string, string[]]>([
    ['100, which the proxy never asks for', [hundred + ok]],
    ['100 before the response', [hundred, ok]],
    ['100 in pieces', ['HTTP/1.', '1 1', '00 Continue\r\n\r', '\n', ok]],
    ['100 after 103', [hint + hundred, ok]],
    ['an unrequested protocol', ['HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n']],
    ['the same without its name', [`HTTP/1.1 101 x\r\n\r\n${ok}`]],
    ['an interim head without end', [`HTTP/1.1 103 x\r\nx: ${'x'.repeat(100_000)}`]],
    ['no status', ['HTTP/1.1 000 x\r\ncontent-length: 0\r\n\r\n']],
  ])('%s is a 502', async (_title, pieces) => {
    const { port } = await proxyTo(await inPieces(...pieces))
    const response = await get(port, '/qlik/api/v1/x')
    // The status of a response that has begun with 103 is final all the same.
    expect(response).toMatchObject({ status: 502, complete: true })
  })

  it('are not recognized in a body', async () => {
    const body = `${hundred}${hundred}`
    const origin = await inPieces(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`, hundred, hundred)
    const { port } = await proxyTo(origin)
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({ body, complete: true })
  })

  it('without a response after them get 504', async () => {
    const { port } = await proxyTo(await inPieces(hint, hint), { timeouts: { headersMs: 100 } })
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(504)
  })
})

describe('transfer codings of the tenant', () => {
  it.each(['gzip, chunked', 'gzip', 'chunked, gzip', 'identity'])('%s is not forwarded', async coding => {
    const { port } = await proxyTo(
      await inPieces(`HTTP/1.1 200 OK\r\ntransfer-encoding: ${coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
    )
    const response = await get(port, '/qlik/api/v1/x')
    expect(response).toMatchObject({ status: 502, complete: true })
    expect(codeOf(response.body)).toBe('tenant_response')
  })
})

describe('trailers', () => {
  const json = 'content-type: application/json\r\n'
  const chunks = 'transfer-encoding: chunked\r\ntrailer: server-timing\r\n\r\n2\r\n{}\r\n0\r\n'

  it.each([
    ['with a length', 'HTTP/1.1 200 OK\r\ntrailer: x\r\ncontent-length: 2\r\n\r\n{}', 'GET'],
    ['and left out', `HTTP/1.1 200 OK\r\n${chunks}\r\n`, 'GET'],
    ['and left out of JSON', `HTTP/1.1 200 OK\r\n${json}${chunks}\r\n`, 'GET'],
    ['after a head alone', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n', 'HEAD'],
    ['without content', 'HTTP/1.1 204 OK\r\ntrailer: x\r\n\r\n', 'GET'],
  ])('that are announced %s do no harm', async (_title, bytes, method) => {
    const { port, events } = await proxyTo(await inPieces(bytes))
    const { status, body } = await get(port, '/qlik/api/v1/x', {}, method)
    const contents = bytes.includes('{}') ? '{}' : ''
    expect({ events, status, body }).toEqual({ events: [], status: Number(bytes.slice(9, 12)), body: contents })
  })

  it('do not reach a client of HTTP/1.0, and unchanged JSON keeps its own', async () => {
    const { port } = await proxyTo(
      await inPieces(
        `HTTP/1.1 200 OK\r\nconnection: close\r\n${json}${chunks}server-timing: y\r\nset-cookie: a=b\r\n\r\n`,
      ),
    )
    expect((await get(port, '/qlik/api/v1/x')).raw).toBe('2\r\n{}\r\n0\r\nserver-timing: y\r\n\r\n')
    const old = await read(open(port, 'GET /qlik/api/v1/x HTTP/1.0\r\n\r\n'))
    expect(old).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n\{\}$/)
  })
})

describe('repeated headers', () => {
  it('are all forwarded, also where the application has set headers of its own', async () => {
    const tenant = await httpServer((_request, response) => {
      response.setHeader('link', ['<https://a.example/>; rel=a', '<https://b.example/>; rel=b']).end('ok')
    })
    const { port, proxy } = await proxyTo(tenant.origin)
    const mounted = await httpServer(express().use('/qlik', (request, response) => proxy.serve(request, response)))
    const link = '<https://a.example/>; rel=a, <https://b.example/>; rel=b'
    expect((await get(port, '/qlik/api/v1/x')).headers.link).toBe(link)
    expect((await get(mounted.port, '/qlik/api/v1/x')).headers).toMatchObject({ link, 'x-powered-by': 'Express' })
  })
})

describe('errors after the tenant has responded', () => {
  it('have their own reason phrase', async () => {
    const { port } = await proxyTo(await inPieces(`HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n`))
    const text = await read(open(port, 'GET /qlik/api/v1/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'))
    expect(text).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
  })
})

describe('bodies of HTTP/2', () => {
  it.each<[string, IncomingHttpHeaders, string]>([
    ['without a length', {}, 'hello'],
    ['with a length', { 'content-length': '5' }, 'hello'],
    ['that are absent', {}, ''],
  ])('%s arrive whole', async (_title, headers, body) => {
    const tenant = await httpServer(async (request, response) => {
      response.end(`${request.method} ${Buffer.concat(await request.toArray())}`)
    })
    const { proxy } = await proxyTo(tenant.origin)
    const server = createServer((request, response) => proxy.serve(request as never, response as never))
    const { origin } = await listening(server)
    const client = connect(origin)
    closing(async () => {
      client.destroy()
      server.close()
    })
    const stream = client.request({
      ':method': 'POST',
      ':path': '/qlik/api/v1/apps',
      'sec-fetch-site': 'same-origin',
      ...headers,
    })
    if (body === '') stream.end()
    else stream.write(body, () => stream.end())
    const [{ ':status': status }] = await once(stream, 'response')
    expect(status).toBe(200)
    expect(Buffer.concat(await stream.toArray()).toString()).toBe(`POST ${body}`)
  })
})
