import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { afterEach, describe, expect, it } from '@jest/globals'
import { WebSocket, WebSocketServer } from 'ws'
import { type Principal, type QlikEvents, type QlikProxy, type QlikProxyOptions, qlikProxy } from '../../src/index.ts'
import { fromOurPage, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { endOf, listen } from '../support/socket-setup.ts'
import { closeAll, closing, get, httpServer, open, responseOf, until } from '../support/wire.ts'

afterEach(closeAll)

interface Running {
  readonly qlik: QlikProxy
  readonly port: number
  readonly server: Server
  /** The next event `proxied`. */
  ended(): Promise<QlikEvents['proxied']>
}

async function running(
  listener: RequestListener,
  principal: Partial<Principal> = {},
  options: Partial<QlikProxyOptions> = {},
): Promise<Running> {
  const { origin, server: tenantServer } = await httpServer(listener)
  new WebSocketServer({ server: tenantServer }).on('connection', socket =>
    socket.on('message', data => socket.send(`${data}!`)),
  )
  const tokens = tokenSource(origin)
  const qlik = qlikProxy({ publicUrl, authenticate: async () => ({ tokens, ...principal }), ...options })
  closing(() => qlik.close({ graceMs: 100 }))
  const { port, server } = await httpServer(qlik.handler((_request, response) => void response.end()))
  qlik.attach(server)
  const events: QlikEvents['proxied'][] = []
  let heard = (): void => {}
  qlik.on('proxied', event => {
    events.push(event)
    heard()
  })
  return {
    qlik,
    port,
    server,
    async ended() {
      if (events.length === 0)
        await new Promise<void>(resolve => {
          heard = resolve
        })
      const event = events.shift()
      if (event === undefined) throw new Error('No event')
      return event
    },
  }
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

describe('the event proxied', () => {
  it('says what a request cost, whose it was and how it ended', async () => {
    const { port, ended } = await running(
      async (request, response) => {
        for await (const _chunk of request);
        response.writeHead(201, { 'content-type': 'text/plain' }).end('created')
      },
      { id: 'login-1', user: 'user-1', onEnd: () => () => {} },
    )
    await get(
      port,
      '/qlik/api/v1/apps?secret=1',
      { ...fromOurPage, traceparent, 'content-length': '5' },
      'POST',
      'hello',
    )
    const event = await ended()
    expect(event).toEqual({
      method: 'POST',
      path: '/qlik/api/v1/apps',
      status: 201,
      requestBytes: 5,
      responseBytes: 7,
      durationMs: expect.any(Number),
      login: 'login-1',
      user: 'user-1',
      aborted: false,
      address: '127.0.0.1',
      traceId,
    })
    expect(event.durationMs).toBeGreaterThan(0)
    expect(event.request?.url).toBe('/qlik/api/v1/apps?secret=1')
    expect(JSON.stringify(event)).not.toContain('secret')
  })

  it('has the code and the trace id of an error response', async () => {
    const { port, ended } = await running((_request, response) => void response.end())
    const { body } = await get(port, '/qlik/oauth/token')
    expect(await ended()).toMatchObject({
      status: 403,
      code: 'ERR_PATH_NOT_ALLOWED',
      traceId: JSON.parse(body).traceId,
      requestBytes: 0,
      responseBytes: 0,
      aborted: false,
    })
  })

  it('says when the client has left, before or during the response', async () => {
    let arrived = (): void => {}
    const { port, ended } = await running((request, response) => {
      if (request.url === '/api/v1/begun') response.writeHead(200, { 'content-type': 'text/csv' }).write('part')
      else arrived()
    })
    const waiting = new Promise<void>(resolve => {
      arrived = resolve
    })
    const early = open(port, 'GET /qlik/api/v1/none HTTP/1.1\r\nhost: a\r\n\r\n')
    await waiting
    early.destroy()
    const before = await ended()
    expect(before).toMatchObject({ path: '/qlik/api/v1/none', aborted: true, responseBytes: 0 })
    expect(before).not.toHaveProperty('status')

    const late = open(port, 'GET /qlik/api/v1/begun HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(late, 'part')
    late.destroy()
    expect(await ended()).toMatchObject({ path: '/qlik/api/v1/begun', aborted: true, status: 200, responseBytes: 4 })
  })

  it('is raised once for each of two requests at once, and a listener that throws breaks neither', async () => {
    const { qlik, port, ended } = await running(({ url }, response) => void response.end(url))
    qlik.on('proxied', () => {
      throw new Error('a listener')
    })
    await Promise.all(['a', 'b'].map(name => get(port, `/qlik/api/v1/${name}`)))
    const paths = [await ended(), await ended()].map(({ path }) => path)
    expect(paths.sort()).toEqual(['/qlik/api/v1/a', '/qlik/api/v1/b'])
  })
})

describe('the event socket', () => {
  it('says how long a socket lasted, what it carried, whose it was and how it ended', async () => {
    const { qlik, port } = await running((_request, response) => void response.end(), {
      id: 'login-1',
      user: 'user-1',
      onEnd: () => () => {},
    })
    const events: QlikEvents['socket'][] = []
    const closed = new Promise<void>(resolve => {
      qlik.on('socket', event => {
        events.push(event)
        if (event.type === 'closed') resolve()
      })
    })
    const client = endOf(
      new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`, { origin: publicUrl, headers: { traceparent } }),
    )
    await once(client.socket, 'open')
    for (const text of ['one', 'two']) {
      client.send(text)
      await client.message()
    }
    client.socket.close(4000)
    await closed
    const known = { appId: '1', login: 'login-1', user: 'user-1', address: '127.0.0.1', traceId }
    expect(events).toEqual([
      { type: 'opened', ...known },
      {
        type: 'closed',
        ...known,
        by: 'browser',
        code: 4000,
        durationMs: expect.any(Number),
        browserMessages: 2,
        tenantMessages: 2,
        // Two messages of three bytes and a close frame, each with header and mask.
        browserBytes: 2 * (6 + 3) + 8,
        tenantBytes: 2 * (2 + 4) + 4,
      },
    ])
  })
})

describe('onEvent', () => {
  it('is called beside the events proxy and socket', async () => {
    const heard: unknown[] = []
    const { qlik, port } = await running(
      (_request, response) => void response.end(),
      {},
      {
        proxy: { onEvent: ({ code }) => heard.push(['option', code]) },
        sockets: { onEvent: ({ type }) => heard.push(['option', type]) },
      },
    )
    qlik.on('proxy', ({ code, address }) => heard.push(['event', code, address]))
    qlik.on('socket', ({ type, address }) => heard.push(['event', type, address]))
    await get(port, '/qlik/oauth/token')
    const refused = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`, { origin: 'https://other.example' })
    await once(refused, 'error')
    expect(heard).toEqual([
      ['option', 'ERR_PATH_NOT_ALLOWED'],
      ['event', 'ERR_PATH_NOT_ALLOWED', '127.0.0.1'],
      ['option', 'refused'],
      ['event', 'refused', '127.0.0.1'],
    ])
  })
})

describe('trace context', () => {
  const tracestate = 'vendor=1,other@system=a/b'
  it.each([
    ['a valid one is forwarded', traceparent, tracestate, [traceparent, tracestate]],
    [
      'of a later version too',
      `01-${traceId}-00f067aa0ba902b7-01-more`,
      '',
      [`01-${traceId}-00f067aa0ba902b7-01-more`],
    ],
    ['an invalid state is not', traceparent, 'no state', [traceparent]],
    ['an all-zero trace is not, nor its state', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, tracestate, []],
    ['an all-zero parent is not', `00-${traceId}-${'0'.repeat(16)}-01`, tracestate, []],
    ['upper case is not', traceparent.toUpperCase(), tracestate, []],
    ['a longer version 00 is not', `${traceparent}-more`, tracestate, []],
    ['a state alone is not', '', tracestate, []],
  ])('%s', async (_title, parent, state, forwarded) => {
    const received: unknown[] = []
    const tenant: RequestListener = ({ headers }, response) => {
      received.push([headers.traceparent, headers.tracestate].filter(value => value !== undefined))
      response.end()
    }
    const { port } = await running(tenant, { onEnd: () => () => {} })
    const headers = {
      ...(parent === '' ? {} : { traceparent: parent }),
      ...(state === '' ? {} : { tracestate: state }),
      baggage: 'user=1',
    }
    await get(port, '/qlik/api/v1/x', headers)
    expect(received).toEqual([forwarded])
  })
})

describe('warnings', () => {
  async function socketsOf(principal: () => Principal, count = 2): Promise<string[]> {
    const { qlik, port } = await running(
      (_request, response) => void response.end(),
      {},
      { authenticate: async () => principal() },
    )
    const warnings: string[] = []
    qlik.on('warning', ({ message }) => warnings.push(message))
    for (let index = 0; index < count; index += 1) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`, { origin: publicUrl })
      closing(async () => socket.terminate())
      await once(socket, 'open')
    }
    return warnings
  }

  it('name a forgotten onEnd once, where principals differ', async () => {
    const tenant = createServer()
    new WebSocketServer({ server: tenant })
    const origin = `http://127.0.0.1:${await listen(tenant)}`
    closing(async () => {
      tenant.closeAllConnections()
      tenant.close()
    })
    const forgotten = [expect.stringContaining('have no onEnd')]
    expect(await socketsOf(() => ({ id: '1', tokens: tokenSource(origin) }))).toEqual(forgotten)
    expect(await socketsOf(() => ({ tokens: tokenSource(origin) }))).toEqual(forgotten)
    const machine = tokenSource(origin)
    expect(await socketsOf(() => ({ tokens: machine }))).toEqual([])
    expect(await socketsOf(() => ({ id: '1', tokens: machine, onEnd: () => () => {} }))).toEqual([])
  })

  it.each([
    [5000, [expect.stringContaining('keepAliveTimeout')]],
    [65_000, []],
  ])('name a keep-alive timeout of %i ms behind a balancer, once', async (timeout, expected) => {
    const { qlik, port, server } = await running((_request, response) => void response.end())
    server.keepAliveTimeout = timeout
    const warnings: string[] = []
    qlik.on('warning', ({ message }) => warnings.push(message))
    await get(port, '/qlik/oauth/a', { 'x-forwarded-for': '192.0.2.1' })
    expect(warnings).toEqual([])
    for (const path of ['b', 'c']) {
      const socket = open(port, `GET /qlik/oauth/${path} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\n\r\n`)
      await until(socket, '"traceId"')
    }
    expect(warnings).toEqual(expected)
  })
})

describe('the handshake of a WebSocket without Upgrade', () => {
  it('is refused with what the balancer must forward', async () => {
    const { port } = await running((_request, response) => void response.end('from the tenant'))
    const socket = open(
      port,
      'GET /qlik/app/1 HTTP/1.0\r\nhost: a\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n',
    )
    const { status, headers, body } = responseOf(await until(socket, '"traceId"'))
    expect([status, headers.upgrade, headers.connection]).toEqual([426, 'websocket', 'close, Upgrade'])
    expect(JSON.parse(body).errors[0]).toMatchObject({
      code: 'upgrade_required',
      detail: expect.stringContaining('balancer'),
    })
  })
})
