import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { fromOurPage, proxyTo, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, closing, get, httpServer, open, rawServer, read, until } from '../support/wire.ts'

afterEach(closeAll)

const asking = (path = '/qlik/api/v1/x', headers = ''): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n${headers}\r\n`

describe('streaming', () => {
  it('forwards events one by one, however long the pauses', async () => {
    const tenant = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      tenantResponse = response
    })
    let tenantResponse: ServerResponse | undefined
    const { port } = await proxyTo(tenant.origin, { timeouts: { bodyMs: 1 } })
    const socket = open(port, asking('/qlik/api/v1/x', 'accept: text/event-stream\r\n'))
    expect(await until(socket, '\r\n\r\n')).toContain('text/event-stream')
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      tenantResponse?.write(event)
      await until(socket, event)
    }
  })

  it('ends an event stream with the login', async () => {
    const tenant = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    )
    const watching = deferred<() => void>()
    const access = async () => ({
      tokens: tokenSource(tenant.origin),
      onEnd: (listener: () => void) => {
        watching.resolve(listener)
        return () => {}
      },
    })
    const { port, events } = await proxyTo(tenant.origin, { authenticate: access })
    const response = get(port, '/qlik/api/v1/x')
    const endLogin = await watching.promise
    endLogin()
    expect(await response).toMatchObject({ status: 200, complete: false })
    expect(events).toMatchObject([{ type: 'refused', code: 'ERR_SESSION_EXPIRED' }])
  })

  it('forwards the head before the body', async () => {
    const tenant = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-length': 1_000_000 }).flushHeaders(),
    )
    const { port } = await proxyTo(tenant.origin)
    expect(await until(open(port, asking()), '\r\n\r\n')).toContain('content-length: 1000000')
  })

  it('forwards trailers by an allow-list', async () => {
    const tenant = await httpServer((_request, response) => {
      response.writeHead(200, { trailer: 'digest, set-cookie' }).write('body')
      response.addTrailers({ digest: 'abc', 'set-cookie': 'a=b', vary: '*' })
      response.end()
    })
    const { port, events } = await proxyTo(tenant.origin)
    const { raw, headers } = await get(port, '/qlik/api/v1/x')
    expect(events).toEqual([])
    expect(headers.trailer).toBe('digest')
    expect(raw).toMatch(/\r\n0\r\ndigest: abc\r\n\r\n$/)
  })

  it('forwards early hints', async () => {
    const tenant = await httpServer((_request, response) => {
      response.writeEarlyHints({ link: '</assets/x.css>; rel=preload; as=style' })
      response.writeProcessing()
      response.end('ok')
    })
    const { port } = await proxyTo(tenant.origin)
    const text = await read(open(port, asking('/qlik/api/v1/x', 'connection: close\r\n')))
    expect(text).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/qlik\/assets\/x\.css>[\s\S]*HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK/,
    )
  })

  it('forwards ranges, conditions and codings untouched', async () => {
    const tenant = await httpServer((request, response) => {
      if (request.headers['if-none-match'] === '"a"') response.writeHead(304, { etag: '"a"' }).end()
      else if (request.headers.range === 'bytes=1-2')
        response.writeHead(206, { 'content-range': 'bytes 1-2/4', 'content-encoding': 'br' }).end('bc')
      else response.writeHead(416, { 'content-range': 'bytes */4' }).end()
    })
    const { port } = await proxyTo(tenant.origin)
    expect(await get(port, '/qlik/api/v1/x', { range: 'bytes=1-2' })).toMatchObject({
      status: 206,
      body: 'bc',
      headers: { 'content-range': 'bytes 1-2/4', 'content-encoding': 'br' },
    })
    expect(await get(port, '/qlik/api/v1/x', { 'if-none-match': '"a"' })).toMatchObject({
      status: 304,
      headers: { etag: '"a"' },
    })
    expect(await get(port, '/qlik/api/v1/x', { range: 'bytes=9-' })).toMatchObject({ status: 416 })
  })

  it('forwards 429', async () => {
    let calls = 0
    const tenant = await httpServer((_request, response) => {
      calls += 1
      response
        .writeHead(429, { 'retry-after': '7', 'content-type': 'application/json' })
        .end('{"errors":[{"code":"HTTP-429"}]}')
    })
    const { port } = await proxyTo(tenant.origin)
    expect(await get(port, '/qlik/api/v1/x')).toMatchObject({
      status: 429,
      headers: { 'retry-after': '7' },
      body: '{"errors":[{"code":"HTTP-429"}]}',
    })
    expect(calls).toBe(1)
  })

  it('carries a resumable upload', async () => {
    let stored = ''
    const tenant = await httpServer(async (request, response) => {
      if (request.method === 'POST')
        response
          .writeHead(201, { location: `${tenant.origin}/api/v1/temp-contents/files/1`, 'tus-resumable': '1.0.0' })
          .end()
      else if (request.method === 'HEAD')
        response.writeHead(200, { 'upload-offset': stored.length, 'upload-length': 10 }).end()
      else {
        for await (const chunk of request) stored += chunk
        response.writeHead(204, { 'upload-offset': stored.length }).end()
      }
    })
    const { port } = await proxyTo(tenant.origin)
    const tus = { ...fromOurPage, 'tus-resumable': '1.0.0' }
    const { headers } = await get(
      port,
      '/qlik/api/v1/temp-contents/files',
      { ...tus, 'upload-length': '10', 'content-length': '0' },
      'POST',
    )
    const patch = { ...tus, 'content-type': 'application/offset+octet-stream', 'content-length': '5' }
    const upload = headers.location ?? ''
    expect(upload).toBe('/qlik/api/v1/temp-contents/files/1')
    await get(port, upload, { ...patch, 'upload-offset': '0' }, 'PATCH', 'hello')
    expect((await get(port, upload, tus, 'HEAD')).headers['upload-offset']).toBe('5')
    expect(await get(port, upload, { ...patch, 'upload-offset': '5' }, 'PATCH', 'world')).toMatchObject({
      status: 204,
      headers: { 'upload-offset': '10' },
    })
    expect(stored).toBe('helloworld')
  })
})

describe('leaving', () => {
  it('of the client ends the request at the tenant, before and during the response', async () => {
    for (const response of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nx']) {
      const asked = deferred<Socket>()
      const tenant = await rawServer(socket => {
        socket.write(response)
        asked.resolve(socket)
      })
      const { port } = await proxyTo(tenant.origin)
      const browser = open(port, asking())
      const left = once(await asked.promise, 'close')
      if (response !== '') await until(browser, '\r\n\r\nx')
      browser.destroy()
      await left
    }
  })

  it('of a client that reads nothing is detected, and reading from the tenant stops', async () => {
    const tenant = await rawServer(socket => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')
      const chunk = Buffer.alloc(256 * 1024)
      const write = (): void => {
        while (!socket.destroyed && socket.write(chunk));
      }
      socket.on('drain', write)
      write()
    })
    const { port, events } = await proxyTo(tenant.origin, { timeouts: { clientMs: 200 } })
    const fromTenant = socketOf(
      'net.client.socket',
      socket => String(socket.remotePort) === new URL(tenant.origin).port,
    )
    const toBrowser = socketOf('net.server.socket', socket => socket.localPort === port)
    const browser = open(port, asking())
    browser.pause()
    let mostBuffered = 0
    while (events.length === 0) {
      await new Promise(setImmediate)
      const [read, written] = [fromTenant(), toBrowser()]
      if (read === undefined || written === undefined) continue
      mostBuffered = Math.max(mostBuffered, read.bytesRead - (written.bytesWritten - written.writableLength))
    }
    await Promise.all([...tenant.sockets].map(socket => new Promise(done => socket.on('close', done))))
    expect(events).toMatchObject([{ code: 'ERR_CLIENT_TIMEOUT' }])
    // More than nothing: the browser's share of the buffers of the system is full.
    expect(mostBuffered).toBeGreaterThan(0)
    // 256 KiB, and what was read at the moment when they were full.
    expect(mostBuffered).toBeLessThan(2 * 256 * 1024)
  })
})

describe('large bodies', () => {
  const megabytes = 256
  const block = Buffer.alloc(1024 * 1024, 'x')

  function* blocks(): Generator<Buffer> {
    for (let count = 0; count < megabytes; count += 1) yield block
  }
  async function drained(stream: Readable): Promise<{ bytes: number; mostMemory: number }> {
    let bytes = 0
    let mostMemory = 0
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length
        mostMemory = Math.max(mostMemory, process.memoryUsage.rss())
        done()
      },
    })
    await pipeline(stream, sink)
    return { bytes, mostMemory }
  }

  it('use constant memory in both directions', async () => {
    const received: { bytes: number }[] = []
    const tenant = await httpServer(async (request, response) => {
      if (request.method === 'PUT') {
        received.push(await drained(request))
        response.end()
      } else await pipeline(Readable.from(blocks()), response)
    })
    const { port } = await proxyTo(tenant.origin)
    const before = process.memoryUsage.rss()

    const up = httpRequest({ port, path: '/qlik/api/v1/x', method: 'PUT', headers: fromOurPage })
    const uploaded = once(up, 'response') as Promise<[IncomingMessage]>
    await pipeline(Readable.from(blocks()), up)
    const [response] = await uploaded
    response.resume()
    expect(received).toMatchObject([{ bytes: megabytes * block.length }])

    const [down] = (await once(httpRequest({ port, path: '/qlik/api/v1/x' }).end(), 'response')) as [IncomingMessage]
    const { bytes, mostMemory } = await drained(down)
    expect(bytes).toBe(megabytes * block.length)
    // Tenant, proxy and browser live in this one process.
    expect((mostMemory - before) / 1024 ** 2).toBeLessThan(150)
  })
})

/** A socket of this process that is opened after the call. */
function socketOf(name: string, matches: (socket: Socket) => boolean): () => Socket | undefined {
  const opened: Socket[] = []
  const note = (message: unknown) => opened.push((message as { socket: Socket }).socket)
  subscribe(name, note)
  closing(async () => void unsubscribe(name, note))
  return () => opened.find(matches)
}

/** A promise and the way to keep it. */
function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>(done => {
    resolve = done
  })
  return { promise, resolve }
}
