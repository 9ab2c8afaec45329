import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from '@jest/globals'
import { until } from 'test-support/until'
import { deferred } from '../support/deferred.ts'
import { fromOurPage, proxyTo, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, get, httpServer, open, read, until as untilText } from '../support/wire.ts'

afterEach(closeAll)

const asking = (path: string, method = 'GET', headers = ''): string =>
  `${method} /qlik/api/v1${path} HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\n${headers}\r\n`

/** A tenant that carries out every request, and responds when it is told to. */
async function patientTenant() {
  const held: ServerResponse[] = []
  const done: string[] = []
  const tenant = await httpServer(async (request, response) => {
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    done.push(`${request.method} ${request.url} ${bytes}`)
    if (request.url?.includes('/now') === true) response.end('ok')
    else held.push(response)
  })
  return { ...(await proxyTo(tenant.origin)), held, done }
}

describe('closing', () => {
  it('completes requests in progress with Connection: close', async () => {
    const { port, proxy, held, done, events } = await patientTenant()
    const clients = ['GET', 'POST'].map(method => open(port, asking('/held', method)))
    await until(() => held.length === 2)
    const closed = proxy.close({ graceMs: 10_000 })
    for (const response of held) response.end('done')
    for (const text of await Promise.all(clients.map(read)))
      expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close[\s\S]*done/i)
    await closed
    expect(done).toHaveLength(2)
    expect(events).toEqual([])
    expect(await get(port, '/qlik/api/v1/now')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  })

  it('forwards no request that is authenticated after the end', async () => {
    const reached: unknown[] = []
    const tenant = await httpServer((request, response) => {
      reached.push(request.url)
      response.end('ok')
    })
    const [asked, authenticated] = [deferred<void>(), deferred<void>()]
    const { port, proxy } = await proxyTo(tenant.origin, {
      async authenticate() {
        asked.resolve()
        await authenticated.promise
        return { tokens: tokenSource(tenant.origin) }
      },
    })
    const client = read(open(port, asking('/now', 'POST')))
    await asked.promise
    await proxy.close({ graceMs: 0 })
    authenticated.resolve()
    expect(await client).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close/i)
    expect(reached).toEqual([])
  })

  it('completes an upload and a download in progress', async () => {
    const { port, proxy, held, done } = await patientTenant()
    const download = open(port, asking('/held'))
    await until(() => held.length === 1)
    held[0]?.write('begun')
    await untilText(download, 'begun')
    const upload = open(port, `${asking('/now', 'PUT', 'content-length: 6\r\n')}abc`)
    await until(() => held.length === 1)
    const closed = proxy.close({ graceMs: 10_000 })
    upload.write('def')
    expect(await untilText(upload, '\r\n\r\nok')).toContain('200 OK')
    held[0]?.end('ended')
    await untilText(download, '0\r\n\r\n')
    await closed
    expect(done).toContain('PUT /api/v1/now 6')
  })

  it('ends event streams of GET requests at once, at a complete event, and lets those of POST requests finish', async () => {
    const streams = new Map<string | undefined, ServerResponse>()
    const tenant = await httpServer(({ method }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      streams.set(method, response)
    })
    const { port, proxy, events } = await proxyTo(tenant.origin)
    const [get, post] = ['GET', 'POST'].map(method => open(port, asking('/events', method)))
    if (get === undefined || post === undefined) throw new Error('unreachable')
    await Promise.all([get, post].map(client => untilText(client, 'data: 1')))
    // The last chunk: a complete response, after which EventSource connects again.
    const response = untilText(get, '0\r\n\r\n')
    const tenantClosed = once(streams.get('GET') ?? get, 'close')
    const closed = proxy.close({ graceMs: 20_000 })
    await Promise.all([response, tenantClosed])
    streams.get('POST')?.end('data: [DONE]\n\n')
    expect(await untilText(post, '0\r\n\r\n')).toContain('data: [DONE]')
    await closed
    expect(events).toEqual([])
  })

  it('ends an event stream whose response begins during the grace', async () => {
    const { port, proxy, held } = await patientTenant()
    const [stream, other] = [open(port, asking('/held')), open(port, asking('/held'))]
    await until(() => held.length === 2)
    const response = read(stream)
    const closed = proxy.close({ graceMs: 20_000 })
    held[0]?.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    expect(await response).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*connection: close[\s\S]*0\r\n\r\n$/i)
    held[1]?.end('done')
    await untilText(other, 'done')
    await closed
  })

  it('serves new requests on open connections during the grace, and ends those connections', async () => {
    const { port, proxy, held } = await patientTenant()
    const kept = open(port, asking('/now'))
    await untilText(kept, '\r\n\r\nok')
    const slow = open(port, asking('/held'))
    await until(() => held.length === 1)
    const closed = proxy.close({ graceMs: 10_000 })
    kept.write(asking('/now', 'POST'))
    expect(await read(kept)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*connection: close/i)
    held[0]?.end('done')
    expect(await read(slow)).toContain('done')
    await closed
  })

  it('resolves at once without requests, and after the grace with a request in progress', async () => {
    const idle = await patientTenant()
    await idle.proxy.close({ graceMs: 60_000 })

    const { port, proxy, held, done } = await patientTenant()
    const responses = ['GET', 'POST', 'DELETE'].map(method => read(open(port, asking('/held', method))))
    await until(() => held.length === 3)
    await proxy.close({ graceMs: 200 })
    const [safe, ...changing] = await Promise.all(responses)
    expect(safe).toMatch(/^HTTP\/1\.1 503 [\s\S]*"code":"closing"/)
    // The tenant has carried them out, so an error that asks for a repetition would be wrong.
    expect(changing).toEqual(['', ''])
    expect(done).toHaveLength(3)
  })

  it('refuses requests that have not reached the tenant after the grace', async () => {
    const tenant = await httpServer(() => {})
    const { port, proxy } = await proxyTo(tenant.origin, { connections: 1 })
    const asked = once(tenant.server, 'request')
    open(port, asking('/first'))
    await asked
    const waiting = open(port, asking('/second', 'POST'))
    await until(() => waiting.bytesWritten > 0)
    const response = read(waiting)
    await get(port, '/qlik/other')
    await proxy.close({ graceMs: 50 })
    expect(await response).toMatch(/^HTTP\/1\.1 503 /)
  })

  it('is the same for two calls at once', async () => {
    const { port, proxy, held } = await patientTenant()
    const slow = get(port, '/qlik/api/v1/held', fromOurPage)
    await until(() => held.length === 1)
    const closed = Promise.all([proxy.close({ graceMs: 10_000 }), proxy.close({ graceMs: 10_000 })])
    held[0]?.end('done')
    expect((await slow).body).toBe('done')
    await closed
  })
})
