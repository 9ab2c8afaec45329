import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { type KeptRequest, keptConnections } from '../support/kept-connections.ts'
import { fromOurPage, proxyTo } from '../support/rest-proxy.ts'
import { closeAll, get, httpServer, open, rawServer, read, responseOf, until } from '../support/wire.ts'

afterEach(closeAll)

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const codeOf = (body: string): unknown => JSON.parse(body).errors[0].code
const asking = (path: string, headers = '', method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nhost: a\r\n${headers}\r\n`
const ours = 'sec-fetch-site: same-origin\r\n'

describe('a connection that the tenant closes while the next request is sent', () => {
  const closingSecond = (how: 'ends' | 'resets') => (request: KeptRequest) => {
    if (request.nth === 1) request.socket.write(ok)
    else if (how === 'ends') request.socket.destroy()
    else request.socket.resetAndDestroy()
  }

  it.each([
    ['GET', 'ends'],
    ['GET', 'resets'],
    ['OPTIONS', 'ends'],
  ] as const)('%s is sent once more when it %s', async (method, how) => {
    const tenant = await keptConnections(closingSecond(how))
    const { port, events } = await proxyTo(tenant.origin)
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({ status: 200 })
    expect(await get(port, '/qlik/api/v1/x?second', fromOurPage, method)).toMatchObject({
      status: 200,
      body: 'ok',
      complete: true,
    })
    expect(tenant.requests.map(({ connection, nth }) => [connection, nth])).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
    ])
    expect(events).toEqual([])
  })

  it.each([
    ['POST', ''],
    ['POST', 'abc'],
    ['PUT', 'abc'],
    ['PATCH', ''],
    ['DELETE', ''],
  ])('%s %j is not sent again', async (method, body) => {
    const tenant = await keptConnections(closingSecond('resets'))
    const { port } = await proxyTo(tenant.origin)
    await get(port, '/qlik/api/v1/x')
    const response = await get(
      port,
      '/qlik/api/v1/x',
      { ...fromOurPage, 'content-length': String(body.length) },
      method,
      body,
    )
    expect(response.status).toBe(502)
    expect(codeOf(response.body)).toBe('tenant_reset')
    expect(tenant.requests).toHaveLength(2)
  })

  it('is repeated once only, and not when it was the first on its connection', async () => {
    const tenant = await keptConnections(({ socket, nth, connection }) => {
      if (nth === 1 && connection === 1) socket.write(ok)
      else socket.resetAndDestroy()
    })
    const { port } = await proxyTo(tenant.origin)
    await get(port, '/qlik/api/v1/x')
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(502)
    expect(tenant.requests).toHaveLength(3)
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(502)
    expect(tenant.requests).toHaveLength(4)
  })

  it('is not repeated after the first byte of a response', async () => {
    const tenant = await keptConnections(({ socket, nth }) => {
      if (nth === 1) socket.write(ok)
      else socket.write('H', () => setImmediate(() => socket.destroy()))
    })
    const { port } = await proxyTo(tenant.origin)
    await get(port, '/qlik/api/v1/x')
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(502)
    expect(tenant.requests).toHaveLength(2)
  })

  it('is not repeated after its timeout', async () => {
    const tenant = await keptConnections(({ socket, nth }) => {
      if (nth === 1) socket.write(ok)
      else setTimeout(() => socket.resetAndDestroy(), 150)
    })
    const { port } = await proxyTo(tenant.origin, { timeouts: { headersMs: 100 } })
    await get(port, '/qlik/api/v1/x')
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(502)
    expect(tenant.requests).toHaveLength(2)
  })
})

describe('a response without a length', () => {
  const unframed = 'HTTP/1.1 200 OK\r\n\r\nhello'

  it('is complete when the connection ends', async () => {
    const tenant = await rawServer(socket => socket.end(unframed))
    const { port } = await proxyTo(tenant.origin)
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({ body: 'hello', complete: true })
  })

  it.each(['HTTP/1.0', 'HTTP/1.1'])('is incomplete when the connection breaks (%s)', async version => {
    const tenant = await rawServer(socket => {
      socket.write(unframed.replace('HTTP/1.1', version))
      setTimeout(() => socket.resetAndDestroy(), 20)
    })
    const { port, events } = await proxyTo(tenant.origin)
    expect((await get(port, '/qlik/api/v1/x')).complete).toBe(false)
    expect(events).toMatchObject([{ code: 'ERR_TENANT_RESET' }])
  })

  it('is incomplete for a client of HTTP/1.0 too, without chunks and length', async () => {
    const tenant = await rawServer(socket =>
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    )
    const { port } = await proxyTo(tenant.origin)
    const browser = open(port, 'GET /qlik/api/v1/x HTTP/1.0\r\n\r\n')
    const [error] = await once(browser.resume(), 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
  })
})

describe('pipelined requests', () => {
  it('reach the tenant one after the other', async () => {
    const tenant = await keptConnections(({ head, socket }) => {
      if (head.startsWith('POST')) setTimeout(() => socket.write(ok), 30)
      else socket.write(ok)
    })
    const { port } = await proxyTo(tenant.origin)
    const post = asking('/qlik/api/v1/1', `${ours}content-length: 3\r\n`, 'POST')
    const text = await read(
      open(port, `${post}abc${asking('/qlik/api/v1/2')}${asking('/qlik/api/v1/3', 'connection: close\r\n')}`),
    )
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(3)
    expect(tenant.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/api/v1/1', '/api/v1/2', '/api/v1/3'])
  })

  it('continue after one that is refused', async () => {
    const tenant = await keptConnections(({ socket }) => socket.write(ok))
    const { port } = await proxyTo(tenant.origin)
    const refused = asking('/qlik/api/v1/1', 'content-length: 3\r\n', 'POST')
    const text = await read(open(port, `${refused}abc${asking('/qlik/api/v1/2', 'connection: close\r\n')}`))
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 403', 'HTTP/1.1 200'])
    expect(tenant.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/api/v1/2'])
  })

  it('do not reach the tenant after a response that ends the connection', async () => {
    const tenant = await keptConnections(({ socket }) => socket.write(ok))
    const { port } = await proxyTo(tenant.origin)
    const browser = open(port, asking('/qlik/api/v1/1', 'transfer-encoding: chunked\r\n', 'POST'))
    expect(await until(browser, '"traceId"')).toMatch(/^HTTP\/1\.1 403 [\s\S]*connection: close/i)
    browser.write(`3\r\nabc\r\n0\r\n\r\n${asking('/qlik/api/v1/2')}`)
    expect(await read(browser)).not.toContain('HTTP/1.1')
    expect(tenant.requests).toEqual([])
  })

  it('of a client that has left never reach the tenant', async () => {
    const tenant = await httpServer(() => {})
    const { port } = await proxyTo(tenant.origin)
    const asked: string[] = []
    tenant.server.on('request', ({ url = '' }) => asked.push(url))
    const first = once(tenant.server, 'request')
    const browser = open(port, `${asking('/qlik/api/v1/1')}${asking('/qlik/api/v1/2')}${asking('/qlik/api/v1/3')}`)
    const [request] = await first
    const left = once(request.socket, 'close')
    browser.destroy()
    await left
    expect((await get(port, '/qlik/other')).status).toBe(403)
    expect(asked).toEqual(['/api/v1/1'])
  })
})

describe('a body that is refused', () => {
  const smuggled = asking('/qlik/api/v1/smuggled')

  it.each([
    ['with a length', `content-length: ${smuggled.length + 1000}\r\n`, `${smuggled}${'x'.repeat(1000)}`],
    ['in chunks', 'transfer-encoding: chunked\r\n', `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`],
    ['on a GET', `content-length: ${smuggled.length}\r\n`, smuggled],
  ])('%s is never taken for a request', async (title, headers, body) => {
    const tenant = await keptConnections(({ socket }) => socket.write(ok))
    const { port } = await proxyTo(tenant.origin)
    const browser = open(port, asking('/qlik/api/v1/1', headers, title === 'on a GET' ? 'GET' : 'POST'))
    const seen = await until(browser, '"traceId"')
    browser.write(`${body}${asking('/qlik/api/v1/2', 'connection: close\r\n')}`)
    await read(browser)
    expect(responseOf(seen).status).toBe(title === 'on a GET' ? 400 : 403)
    expect(tenant.requests.map(({ head }) => head.split(' ')[1]).filter(path => path !== '/api/v1/2')).toEqual([])
  })

  it('and awaited with 100 Continue ends the connection', async () => {
    const { port } = await proxyTo('http://127.0.0.1:9', { authenticate: async () => undefined })
    const headers = `${ours}expect: 100-continue\r\ncontent-length: 3\r\n`
    const text = await read(open(port, asking('/qlik/api/v1/1', headers, 'POST')))
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 401 [\s\S]*connection: close/i)
  })
})
