import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { until } from 'test-support/until'
import { proxyTo, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, httpServer, open, read, until as untilText } from '../support/wire.ts'

afterEach(closeAll)

const asking = (path: string, method = 'GET', headers = ''): string =>
  `${method} /qlik${path} HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n${headers}\r\n`

/** A proxy for one login, which the test ends. */
async function login(tenant: string) {
  const listeners = new Set<() => void>()
  let watched = 0
  const tokens = tokenSource(tenant)
  const proxy = await proxyTo(tenant, {
    authenticate: async () => ({
      id: 'login',
      tokens,
      onEnd(listener) {
        watched += 1
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }),
  })
  return {
    ...proxy,
    listeners,
    watched: () => watched,
    end() {
      for (const listener of listeners) listener()
    },
  }
}

describe('the end of a login', () => {
  it.each([
    ['an event stream', 'text/event-stream', 'data: 1\n\n'],
    ['lines of JSON', 'application/x-ndjson', '{"a":1}\n'],
    ['a download', 'application/octet-stream', 'x'.repeat(1000)],
    ['a JSON document', 'application/json', '{"a":1,'],
  ])('cuts off %s', async (_title, type, piece) => {
    const tenant = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-type': type })
      const writing = setInterval(() => response.write(piece), 50)
      response.on('close', () => clearInterval(writing))
    })
    const { port, end, listeners, events } = await login(tenant.origin)
    const client = open(port, asking('/api/v1/x'))
    await untilText(client, piece)
    await until(() => listeners.size === 1)
    const left = once(client, 'close')
    end()
    await left
    expect(events).toMatchObject([{ code: 'ERR_SESSION_EXPIRED' }])
    expect(listeners.size).toBe(0)
  })

  it('refuses an upload in progress', async () => {
    const tenant = await httpServer(request => void request.resume().on('error', () => {}))
    const { port, end, listeners } = await login(tenant.origin)
    const asked = once(tenant.server, 'request')
    const client = open(port, `${asking('/api/v1/x', 'POST', 'content-length: 100000\r\n')}x`)
    const [request] = await asked
    const uploading = setInterval(() => client.write('x'), 50)
    await until(() => listeners.size === 1)
    const ended = new Promise(done => request.on('close', done))
    end()
    expect(await read(client)).toMatch(/^HTTP\/1\.1 401 /)
    clearInterval(uploading)
    await ended
  })

  it('ends a request that waits for the tenant', async () => {
    const tenant = await httpServer(() => {})
    const { port, end, listeners } = await login(tenant.origin)
    const client = open(port, asking('/api/v1/x'))
    await until(() => listeners.size === 1)
    end()
    expect(await read(client)).toMatch(/^HTTP\/1\.1 401 /)
  })

  it('adds no listener for short requests', async () => {
    const tenant = await httpServer((_request, response) => response.end('ok'))
    const { port, watched } = await login(tenant.origin)
    for (let count = 0; count < 20; count += 1) await read(open(port, asking('/api/v1/x')))
    expect(watched()).toBe(0)
  })
})

describe('an event stream', () => {
  it('is recognized by the type of the response, and has no body timeout', async () => {
    const tenant = await httpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      setTimeout(() => response.write('data: late\n\n'), 800)
    })
    const { port, events } = await proxyTo(tenant.origin, { timeouts: { bodyMs: 50 } })
    await untilText(open(port, asking('/api/v1/x', 'GET', 'accept: */*\r\n')), 'data: late')
    expect(events).toEqual([])
  })

  it('is not recognized by the Accept header of a request', async () => {
    const tenant = await httpServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders(),
    )
    const { port, events } = await proxyTo(tenant.origin, { timeouts: { bodyMs: 50 } })
    await read(open(port, asking('/api/v1/x', 'GET', 'accept: text/event-stream\r\n')))
    expect(events).toMatchObject([{ code: 'ERR_TENANT_BODY_TIMEOUT' }])
  })
})
