import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import express5, { type RequestHandler } from 'express'
import { qlikProxy } from '../../src/qlik-proxy.ts'
import { around, middlewareInFront } from '../support/middleware-in-front.ts'
import { fromOurPage, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, closing, get, httpServer, open, until, type WireResponse } from '../support/wire.ts'

afterEach(closeAll)

const express4: typeof express5 = createRequire(import.meta.url)('express-4')
const text = 'text of the tenant '.repeat(200)
const json = Buffer.from(JSON.stringify({ data: [{ name: 'é', links: { self: { href: '/api/v1/items/1' } } }] }))

/** What the tenant responds, by path. */
const responses: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/api/v1/text': (_request, response) => {
    const headers = {
      'content-type': 'text/plain',
      'content-length': text.length,
      'x-request-id': '\u00e9\u00ff',
      link: ['<https://a.example/>; rel=a', '<https://b.example/>; rel=b'],
    }
    // As bytes: Node would write the head of a text as UTF-8.
    response.writeHead(200, headers).end(Buffer.from(text))
  },
  '/api/v1/bytes': (_request, response) =>
    void response.setHeader('content-type', 'application/octet-stream').end(Buffer.from([0, 0x80, 0xe9, 0xff])),
  '/api/v1/chunks': (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/csv', trailer: 'server-timing' })
    for (let index = 0; index < 50; index += 1) response.write(`${index};${'é'.repeat(2000)}\n`)
    response.end()
  },
  '/api/v1/json': (_request, response) => void response.setHeader('content-type', 'application/json').end(json),
  '/api/v1/gzip': (_request, response) =>
    void response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(gzipSync(json)),
  '/api/v1/stored': ({ headers }, response) =>
    void response
      .writeHead(headers['if-none-match'] === undefined ? 200 : 304, { etag: '"1"', 'cache-control': 'max-age=60' })
      .end(headers['if-none-match'] === undefined ? 'stored' : undefined),
  '/api/v1/none': (_request, response) => void response.writeHead(204).end(),
  '/api/v1/part': (_request, response) =>
    void response.writeHead(206, { 'content-type': 'text/plain', 'content-range': 'bytes 0-2/9' }).end('par'),
  '/api/v1/page': (_request, response) => void response.setHeader('content-type', 'text/html').end('<p>page</p>'),
  '/api/v1/missing': (_request, response) =>
    void response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[]}'),
  '/api/v1/echo': (request, response) => void request.pipe(response.setHeader('content-type', 'text/plain')),
}

interface Host {
  readonly port: number
  /** The connections of the tenant. */
  readonly connections: ReadonlySet<Socket>
}

/** Where middleware runs: in Express before the mount, or around the handler that is ahead of Express. */
const hosts: readonly (readonly [
  string,
  (all: readonly RequestHandler[], tenant?: RequestListener) => Promise<Host>,
])[] = [
  [
    'Express 5',
    (all, tenant) =>
      hosted(tenant, qlik =>
        express5()
          .use(...all, pass)
          .use('/qlik', qlik.proxy()),
      ),
  ],
  [
    'Express 4',
    (all, tenant) =>
      hosted(tenant, qlik =>
        express4()
          .use(...all, pass)
          .use('/qlik', qlik.proxy()),
      ),
  ],
  [
    'a plain server, around the handler',
    (all, tenant) =>
      hosted(
        tenant,
        qlik =>
          around(
            all,
            qlik.handler((_request, response) => void response.end()),
          ) as RequestListener,
      ),
  ],
]
const pass: RequestHandler = (_request, _response, next) => next()

async function hosted(
  tenant: RequestListener = (request, response) => responses[request.url ?? '']?.(request, response),
  host: (qlik: ReturnType<typeof qlikProxy>) => RequestListener,
): Promise<Host> {
  const { origin, server } = await httpServer(tenant)
  const connections = new Set<Socket>()
  server.on('connection', socket => connections.add(socket))
  const tokens = tokenSource(origin)
  const qlik = qlikProxy({ publicUrl, authenticate: async () => ({ tokens }) })
  closing(() => qlik.close({ graceMs: 0 }))
  return { port: (await httpServer(host(qlik))).port, connections }
}

type Exchange = readonly [path: string, headers?: Record<string, string>, method?: string, body?: string]
const upload = 'upload '.repeat(30_000)
const exchanges: readonly Exchange[] = [
  ['/qlik/api/v1/text'],
  ['/qlik/api/v1/text', { 'accept-encoding': 'gzip' }],
  ['/qlik/api/v1/text', { 'accept-encoding': 'gzip, br' }, 'HEAD'],
  ['/qlik/api/v1/bytes'],
  ['/qlik/api/v1/chunks', { 'accept-encoding': 'gzip' }],
  ['/qlik/api/v1/json', { 'accept-encoding': 'br' }],
  ['/qlik/api/v1/gzip', { 'accept-encoding': 'gzip' }],
  ['/qlik/api/v1/stored', { 'if-none-match': '"1"' }],
  ['/qlik/api/v1/none'],
  ['/qlik/api/v1/part', { range: 'bytes=0-2' }],
  ['/qlik/api/v1/page'],
  ['/qlik/api/v1/missing'],
  ['/qlik/oauth/token'],
  ['/qlik/api/v1/echo', { ...fromOurPage, 'content-length': String(upload.length) }, 'POST', upload],
]

/** Decompressed, without what differs at every response or belongs to the connection. */
function comparable({ status, headers, body, complete }: WireResponse) {
  const {
    date,
    'content-length': length,
    'transfer-encoding': chunked,
    'content-encoding': coding,
    'x-powered-by': _express,
    ...rest
  } = headers
  const bytes = Buffer.from(body, 'latin1')
  const decoded =
    coding === undefined || body === '' ? bytes : (coding === 'br' ? brotliDecompressSync : gunzipSync)(bytes)
  return { status, headers: rest, complete, body: decoded.toString('latin1').replace(/"traceId":"\w+"/, '') }
}

const lists = ['vary', 'content-security-policy']

function expectSame(actual: WireResponse, expected: WireResponse): void {
  const [is, should] = [comparable(actual), comparable(expected)]
  expect({ ...is, headers: {} }).toEqual({ ...should, headers: {} })
  for (const [name, value] of Object.entries(should.headers)) {
    if (lists.includes(name)) expect(is.headers[name]).toContain(value)
    else expect([name, is.headers[name]]).toEqual([name, value])
  }
  for (const name of Object.keys(is.headers)) expect(name.length).toBeGreaterThan(2)
  for (const name of ['content-type', 'etag', 'location']) expect(is.headers[name]).toBe(should.headers[name])
}

const all: readonly [string, () => RequestHandler] = [
  'most of them together',
  () => {
    // One session is enough, and presets would stay in the error responses of other middleware.
    const chain = middlewareInFront.filter(([name]) => !/session 1.17|cookie-session|preset/.test(name))
    return around(
      chain.map(([, make]) => make()),
      (_request, _response, next) => next(),
    )
  },
]

const middlewareNamed = (name: string): RequestHandler => {
  const make = middlewareInFront.find(([title]) => title === name)?.[1]
  if (make === undefined) throw new Error(`No middleware ${name}`)
  return make()
}

/** Resolves when a number has not grown for a while, which is as long as the machine is slow. */
async function standsStill(read: () => number): Promise<void> {
  for (let last = -1, unchanged = 0; unchanged < 20; ) {
    await new Promise(resolve => setTimeout(resolve, 10))
    unchanged = read() === last ? unchanged + 1 : 0
    last = read()
  }
}

describe.each(hosts)('in %s', (title, host) => {
  it.each(title === 'Express 4' ? [all] : [...middlewareInFront, all])(
    '%s leaves every response as it is',
    async (_title, make) => {
      const [plain, behind] = [await host([]), await host([make()])]
      for (const [path, headers, method, body] of exchanges) {
        const [expected, actual] = await Promise.all(
          [plain, behind].map(({ port }) => get(port, path, headers, method, body)),
        )
        if (expected === undefined || actual === undefined) throw new Error('No response')
        if (method !== 'HEAD' && expected.status !== 304) expect(expected).toMatchObject({ complete: true })
        expectSame(actual, expected)
      }
    },
  )

  it.each(['compression 1.8', 'compression 1.7.4', 'a wrapper of writeHead, write and end'])(
    '%s holds no event back',
    async name => {
      const events: ServerResponse[] = []
      const { port } = await host([middlewareNamed(name)], (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        events.push(response)
      })
      const browser = open(port, 'GET /qlik/api/v1/events HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip, br\r\n\r\n')
      const head = await until(browser, 'data: 1\n\n')
      expect(head).toMatch(/cache-control: private, no-transform\r\n/i)
      expect(head).toMatch(/x-accel-buffering: no\r\n/i)
      events[0]?.write('data: 2\n\n')
      await until(browser, 'data: 2\n\n')
    },
  )

  it.each(title === 'Express 4' ? ['compression 1.7.4'] : ['compression 1.8', 'a wrapper of writeHead, write and end'])(
    '%s lets a browser that stops reading slow the tenant down',
    async name => {
      // Longer than the window of gzip, so that what is read is as much as what was written.
      const chunk = randomBytes(64 * 1024)
      let sent = 0
      let ended = false
      const { port } = await host([middlewareNamed(name)], async (_request, response) => {
        response.once('close', () => {
          ended = true
        })
        response.writeHead(200, { 'content-type': 'text/csv' })
        while (!ended && sent < 2 ** 30) {
          sent += chunk.length
          if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')])
        }
      })
      const browser = open(port, 'GET /qlik/api/v1/x HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n')
      await once(browser, 'readable')
      await standsStill(() => sent)
      const before = sent
      expect(before).toBeLessThan(64 * 1024 * 1024)
      browser.resume()
      while (sent < before + 1024 * 1024) await new Promise(setImmediate)
      browser.destroy()
      while (!ended) await new Promise(setImmediate)
    },
  )

  it('a time limit that responds itself keeps its response, and the request to the tenant ends', async () => {
    const timeout: RequestHandler = createRequire(import.meta.url)('connect-timeout')('50ms')
    let ended: Promise<unknown> | undefined
    const { port } = await host([timeout], (_request, response) => {
      ended = once(response, 'close')
    })
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({ status: 503, complete: true })
    await ended
  })
})
