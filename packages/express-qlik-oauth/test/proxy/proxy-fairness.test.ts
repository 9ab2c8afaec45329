import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { until } from 'test-support/until'
import type { RestProxyOptions } from '../../src/proxy/rest-proxy-options.ts'
import { proxyTo, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, get, httpServer, open, until as untilText } from '../support/wire.ts'

afterEach(closeAll)

const codeOf = (body: string): unknown => JSON.parse(body).errors[0].code
const ask = (login: string, path = '/x', method = 'GET', headers = ''): string =>
  `${method} /qlik/api/v1${path} HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\ncookie: ${login}\r\n${headers}\r\n`

/** A tenant that holds requests for `/held` until they are released, and responds to others at once. */
async function holdingTenant(
  options: Partial<RestProxyOptions> = {},
  authenticated = true,
  users: Readonly<Record<string, string>> = {},
) {
  const held: ServerResponse[] = []
  const asked: string[] = []
  const tenant = await httpServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.url ?? '')
    if (request.url?.includes('/held') === true) held.push(response)
    else if (request.url?.includes('/events') === true)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    else response.end('ok')
  })
  const tokens = tokenSource(tenant.origin)
  const proxy = await proxyTo(tenant.origin, {
    ...options,
    async authenticate({ headers: { cookie = '' } }) {
      const user = users[cookie]
      return { tokens, ...(authenticated ? { id: cookie } : {}), ...(user === undefined ? {} : { user }) }
    },
  })
  return { ...proxy, held, asked }
}

describe('one login', () => {
  it('with slow uploads leaves connections to others', async () => {
    const { port, asked, events } = await holdingTenant({ connections: 4, timeouts: { headersMs: 2000 } })
    const uploads = [1, 2, 3, 4].map(number =>
      open(port, `${ask('mallory', `/held${number}`, 'POST', 'content-length: 1000\r\n')}x`),
    )
    await until(() => asked.length === 2)
    const dripping = setInterval(() => {
      for (const socket of uploads) socket.write('x')
    }, 50)
    try {
      const responses = await Promise.all([1, 2, 3, 4, 5].map(() => get(port, '/qlik/api/v1/x', { cookie: 'ada' })))
      expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
      expect(asked.filter(url => url.includes('held'))).toHaveLength(2)
      expect(events).toEqual([])
    } finally {
      clearInterval(dripping)
    }
  })

  it('waits for its own requests, and does not delay others', async () => {
    const { port, held, asked } = await holdingTenant({ connections: 2 })
    const mallory = [1, 2, 3].map(number => open(port, ask('mallory', `/held${number}`)))
    await until(() => held.length === 1)
    expect((await get(port, '/qlik/api/v1/x', { cookie: 'ada' })).status).toBe(200)
    held[0]?.end('1')
    await until(() => held.length === 2)
    expect(asked.filter(url => url.includes('held'))).toEqual(['/api/v1/held1', '/api/v1/held2'])
    held[1]?.end('2')
    await until(() => held.length === 3)
    held[2]?.end('3')
    await Promise.all(mallory.map((socket, index) => untilText(socket, `\r\n\r\n${index + 1}`).catch(() => {})))
  })

  it('has a limit of requests, in progress and waiting', async () => {
    const { port, held, events } = await holdingTenant({ connections: 4, limits: { requestsPerLogin: 3 } })
    const sockets = [1, 2, 3].map(number => open(port, ask('mallory', `/held${number}`)))
    await until(() => held.length === 2)
    await until(async () => (await get(port, '/qlik/api/v1/x', { cookie: 'mallory' })).status === 429)
    const refused = await get(port, '/qlik/api/v1/x', { cookie: 'mallory' })
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    expect(codeOf(refused.body)).toBe('too_many_login_requests')
    expect(events).toMatchObject([{ code: 'ERR_TOO_MANY_LOGIN_REQUESTS' }, { code: 'ERR_TOO_MANY_LOGIN_REQUESTS' }])
    expect((await get(port, '/qlik/api/v1/x', { cookie: 'ada' })).status).toBe(200)
    for (const socket of sockets) socket.destroy()
    await until(async () => (await get(port, '/qlik/api/v1/x', { cookie: 'mallory' })).status === 200)
  })

  it('has a limit of event streams, apart from requests', async () => {
    const { port } = await holdingTenant({ connections: 4, limits: { eventStreamsPerLogin: 2 } })
    const streams: Socket[] = []
    for (const _ of [1, 2]) {
      const stream = open(port, ask('mallory', '/events'))
      expect(await untilText(stream, '\r\n\r\n')).toContain('200 OK')
      streams.push(stream)
    }
    const third = await get(port, '/qlik/api/v1/events', { cookie: 'mallory' })
    expect(third.status).toBe(429)
    // Four connections for requests, and four for streams.
    expect((await get(port, '/qlik/api/v1/x', { cookie: 'mallory' })).status).toBe(200)
    for (const user of ['ada', 'alan'])
      expect(await untilText(open(port, ask(user, '/events')), '\r\n\r\n')).toContain('200 OK')
    expect((await get(port, '/qlik/api/v1/events', { cookie: 'grace' })).status).toBe(503)
    streams[0]?.destroy()
    await until(async () => {
      const stream = open(port, ask('grace', '/events'))
      return (await untilText(stream, '\r\n\r\n')).includes('200 OK')
    })
  })

  it('with all its event streams gets 429 before a POST for another is sent to the tenant', async () => {
    const { port, asked } = await holdingTenant({ limits: { eventStreamsPerLogin: 1 } })
    const accept = 'accept: application/json, text/event-stream\r\n'
    const post = (path: string) => open(port, ask('mallory', path, 'POST', accept))
    // A response of another type is no stream.
    for (const _ of [1, 2]) expect(await untilText(post('/json'), '\r\n\r\n')).toContain('200 OK')
    const both = [post('/events1'), post('/events2')]
    const heads = await Promise.all(both.map(socket => untilText(socket, '\r\n\r\n')))
    expect(heads.map(head => head.slice(9, 12)).sort()).toEqual(['200', '429'])
    expect(asked.filter(url => url.includes('events'))).toHaveLength(1)
    for (const socket of both) socket.destroy()
    await until(async () => (await untilText(post('/events3'), '\r\n\r\n')).includes('200 OK'))
  })

  it('has half of the event streams at most', async () => {
    const { port } = await holdingTenant({ connections: 4 })
    for (const _ of [1, 2])
      expect(await untilText(open(port, ask('mallory', '/events')), '\r\n\r\n')).toContain('200 OK')
    const third = await get(port, '/qlik/api/v1/events', { cookie: 'mallory' })
    expect([third.status, codeOf(third.body)]).toEqual([429, 'too_many_login_requests'])
    expect(await untilText(open(port, ask('ada', '/events')), '\r\n\r\n')).toContain('200 OK')
  })

  it('is a client address when the principal has no id', async () => {
    const limits = { requestsPerLogin: 1 }
    const { port, held } = await holdingTenant({ connections: 4, limits, trustProxy: 1 }, false)
    open(port, ask('', '/held', 'GET', 'x-forwarded-for: 2001:db8::1\r\n'))
    await until(() => held.length === 1)
    const from = async (address: string) => (await get(port, '/qlik/api/v1/x', { 'x-forwarded-for': address })).status
    expect(await from('2001:db8::2:1')).toBe(429)
    expect(await from('2001:db8:0:1::1')).toBe(200)
    expect(await from('192.0.2.1')).toBe(200)
  })
})

describe('several users at once', () => {
  const dripping = (port: number, login: string, count: number) =>
    Array.from({ length: count }, (_, number) =>
      open(port, `${ask(login, `/held-${login}-${number}`, 'POST', 'content-length: 1000\r\n')}x`),
    )

  it('with slow uploads leave connections to those with no request in progress', async () => {
    const { port, asked, events } = await holdingTenant({ connections: 8, timeouts: { headersMs: 2000 } })
    const uploads = ['mallory', 'trudy'].flatMap(login => dripping(port, login, 8))
    await until(() => asked.length === 6)
    const drip = setInterval(() => {
      for (const socket of uploads) socket.write('x')
    }, 50)
    try {
      for (const _ of [1, 2, 3]) {
        const users = ['ada', 'grace'].map(cookie => get(port, '/qlik/api/v1/x', { cookie }))
        expect((await Promise.all(users)).map(({ status }) => status)).toEqual([200, 200])
      }
      expect(asked.filter(url => url.includes('held'))).toHaveLength(6)
      expect(events).toEqual([])
    } finally {
      clearInterval(drip)
    }
  })

  it('with event streams leave some to those who have none', async () => {
    const { port } = await holdingTenant({ connections: 8 })
    const opened = async (login: string) =>
      (await untilText(open(port, ask(login, '/events')), '\r\n\r\n')).slice(9, 12)
    const statuses: Record<string, string[]> = {}
    for (const login of ['mallory', 'trudy', 'ada', 'grace', 'alan'])
      statuses[login] = [await opened(login), await opened(login), await opened(login), await opened(login)]
    expect(statuses).toEqual({
      mallory: ['200', '200', '200', '200'],
      trudy: ['200', '200', '503', '503'],
      ada: ['200', '503', '503', '503'],
      grace: ['200', '503', '503', '503'],
      alan: ['503', '503', '503', '503'],
    })
  })
})

describe('clients behind a load balancer', () => {
  it.each<[string, Partial<RestProxyOptions>, number]>([
    ['raise one warning without trustProxy', {}, 1],
    ['raise none with trustProxy', { trustProxy: 1 }, 0],
    ['raise none when trustProxy is false on purpose', { trustProxy: false }, 0],
  ])('%s', async (_what, options, expected) => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { port } = await holdingTenant(options, false)
    for (const address of ['192.0.2.1', '192.0.2.2'])
      expect((await get(port, '/qlik/api/v1/x', { 'x-forwarded-for': address })).status).toBe(200)
    expect(warn.mock.calls.filter(([message]) => String(message).includes('trustProxy'))).toHaveLength(expected)
    warn.mockRestore()
  })
})

describe('one user with two logins', () => {
  it('has one share of the connections', async () => {
    const { port, asked } = await holdingTenant({ connections: 4 }, true, { phone: 'mallory', laptop: 'mallory' })
    for (const login of ['phone', 'laptop'])
      for (const number of [1, 2, 3]) open(port, ask(login, `/held-${login}-${number}`))
    await until(() => asked.length === 2)
    expect((await get(port, '/qlik/api/v1/x', { cookie: 'ada' })).status).toBe(200)
    expect(asked.filter(url => url.includes('held'))).toHaveLength(2)
  })

  it('has one share of the event streams', async () => {
    const { port } = await holdingTenant({ connections: 4 }, true, { phone: 'mallory', laptop: 'mallory' })
    for (const login of ['phone', 'laptop'])
      expect(await untilText(open(port, ask(login, '/events')), '\r\n\r\n')).toContain('200 OK')
    expect((await get(port, '/qlik/api/v1/events', { cookie: 'phone' })).status).toBe(429)
    expect(await untilText(open(port, ask('ada', '/events')), '\r\n\r\n')).toContain('200 OK')
  })
})

describe('requests whose client has left', () => {
  it('do not count as waiting, and never reach the tenant', async () => {
    const { port, held, asked } = await holdingTenant({ connections: 1, limits: { waiting: 2 } })
    const first = open(port, ask('ada', '/held'))
    await until(() => held.length === 1)
    const waiting = [1, 2].map(number => open(port, ask('ada', `/left${number}`)))
    await until(async () => (await get(port, '/qlik/api/v1/x', { cookie: 'ada' })).status === 503)
    for (const socket of waiting) socket.destroy()
    await Promise.all(waiting.map(socket => socket.destroyed || once(socket, 'close')))
    const next = open(port, ask('ada', '/next'))
    await until(async () => {
      const probe = open(port, ask('ada', '/probe'))
      for (const response of held.splice(0)) response.end('held')
      return (await untilText(probe, '\r\n\r\n')).includes('200 OK')
    })
    expect(await untilText(next, '\r\n\r\n')).toContain('200 OK')
    expect(await untilText(first, '\r\n\r\n')).toContain('200 OK')
    expect(asked.filter(url => url.includes('left'))).toEqual([])
  })
})
