import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { QlikOAuthError } from 'qlik-oauth'
import type { Principal } from '../../src/http/clients/principal.ts'
import { deferred } from '../support/deferred.ts'
import {
  appId,
  appPath,
  handshakeText,
  type RawPeer,
  rawPeer,
  responseTo,
  type SetupOptions,
  setup,
  socketSuite,
  switching,
} from '../support/socket-setup.ts'

const { start } = socketSuite()

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

describe('an upgrade that is not allowed', () => {
  it('gets 401 without a login, and nothing is sent to the tenant', async () => {
    await start({ authenticate: async () => undefined })
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 401, code: 'login_required' })
    expect(setup.arrived).toEqual([])
  })

  it('gets 401 before its Origin is checked', async () => {
    await start({ authenticate: async () => undefined })
    expect(await responseTo(handshakeText(setup, appPath, { Origin: 'https://evil.example' }))).toMatchObject({
      status: 401,
    })
  })

  it.each([
    ['of another host', (own: string) => `${own}.evil.example`],
    ['of another port', () => 'http://localhost:1'],
    ['of another scheme', (own: string) => own.replace('http', 'https')],
    ['of another spelling', (own: string) => own.replace('localhost', 'LOCALHOST')],
    ['with a slash', (own: string) => `${own}/`],
    ['that is null', () => 'null'],
    ['that is a list', (own: string) => `${own}, ${own}`],
    ['that is missing', () => ''],
  ])('gets 403 with an Origin %s', async (_title, origin) => {
    await start()
    expect(await responseTo(handshakeText(setup, appPath, { Origin: origin(setup.origin) }))).toMatchObject({
      status: 403,
      code: 'cross_site',
    })
    expect(setup.arrived).toEqual([])
  })

  it.each([
    ['POST', {}, 405, 'method_not_allowed'],
    ['GET', { Upgrade: 'h2c' }, 400, 'request_invalid'],
    ['GET', { 'Sec-WebSocket-Version': '8' }, 426, 'socket_version'],
    ['GET', { 'Sec-WebSocket-Version': '' }, 426, 'socket_version'],
    ['GET', { 'Sec-WebSocket-Key': '' }, 400, 'request_invalid'],
    ['GET', { 'Sec-WebSocket-Key': 'short' }, 400, 'request_invalid'],
    ['GET', { 'Content-Length': '5' }, 400, 'request_invalid'],
  ])('gets a response that says what is wrong: %s %j', async (method, lines, status, code) => {
    await start()
    const response = await responseTo(handshakeText(setup, appPath, lines, method))
    expect(response).toMatchObject({ status, code })
    if (status === 426) {
      expect(response.head).toMatch(/^sec-websocket-version: 13$/m)
      expect(response.head).toMatch(/^upgrade: websocket$/m)
      expect(response.head).toMatch(/^connection: close, Upgrade$/m)
    }
    expect(setup.arrived).toEqual([])
  })

  it.each([
    ['/qlik/app/../api', 400],
    ['/qlik/app/%2e%2e/api', 400],
    ['/qlik/app/x%2fy', 400],
    ['/qlik//app/x', 400],
    ['/qlik/api/v1/users/me', 404],
    ['/qlik', 404],
  ])('gets an error for an invalid path: %s', async (path, status) => {
    await start()
    expect(await responseTo(handshakeText(setup, path))).toMatchObject({ status })
    expect(setup.arrived).toEqual([])
  })

  it('gets 503 with Retry-After while the login store is unavailable', async () => {
    await start({
      authenticate: async () => {
        throw new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'connect ECONNREFUSED 10.1.2.3:6379')
      },
    })
    const response = await responseTo(handshakeText(setup))
    expect(response).toMatchObject({ status: 503, code: 'store_unavailable' })
    expect(response.head).toMatch(/^retry-after: \d+$/m)
    expect(response.text).not.toContain('10.1.2.3')
  })

  it('gets 500 without details when authenticate() throws', async () => {
    await start({
      authenticate: () => {
        throw new TypeError('secret')
      },
    })
    const response = await responseTo(handshakeText(setup))
    expect(response).toMatchObject({ status: 500, code: 'internal' })
    expect(response.text).not.toContain('secret')
  })

  it('gets 503 above maxSockets', async () => {
    await start({ maxSockets: 1 })
    await setup.connect()
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 503, code: 'too_many_sockets' })
    expect(setup.openSockets()).toBe(1)
  })
})

describe('an upgrade that the tenant refuses', () => {
  const respondingWith = (text: string): SetupOptions => ({ onUpgrade: (_request, socket) => socket.end(text) })

  it.each([302, 307, 403, 404, 426, 429, 500, 503, 599])(
    'gets the status and Retry-After of the tenant, and nothing else of its response: %i',
    async status => {
      await start(
        respondingWith(
          `HTTP/1.1 ${status} No\r\nretry-after: 17\r\nlocation: https://tenant.example/login\r\ncontent-length: 6\r\n\r\nsecret`,
        ),
      )
      const response = await responseTo(handshakeText(setup))
      expect(response).toMatchObject({ status, code: 'tenant_refused' })
      expect(response.head).toMatch(/^retry-after: 17$/m)
      expect(response.text).not.toMatch(/tenant\.example|secret/)
      await setup.allClosed()
    },
  )

  it('gets Retry-After in seconds when the tenant sends a date', async () => {
    const dates = 'retry-after: Thu, 01 Jan 2026 12:00:45 GMT\r\ndate: Thu, 01 Jan 2026 12:00:00 GMT'
    await start(respondingWith(`HTTP/1.1 503 No\r\n${dates}\r\ncontent-length: 0\r\n\r\n`))
    const response = await responseTo(handshakeText(setup))
    expect(response.head).toMatch(/^retry-after: 45$/m)
    await setup.allClosed()
  })

  it.each([
    ['an HTTP date', 'date: Wed, 25 Nov 2026 12:00:00 GMT\r\nretry-after: Wed, 25 Nov 2026 12:00:42 GMT', '42'],
    ['a date in the past', 'date: Wed, 25 Nov 2026 12:00:00 GMT\r\nretry-after: Wed, 25 Nov 2026 11:59:00 GMT', '5'],
    ['no value at all', 'retry-after: soon', '5'],
  ])('gets Retry-After in seconds for %s', async (_title, headers, seconds) => {
    await start(respondingWith(`HTTP/1.1 503 No\r\n${headers}\r\ncontent-length: 0\r\n\r\n`))
    expect((await responseTo(handshakeText(setup))).head).toMatch(new RegExp(`^retry-after: ${seconds}$`, 'm'))
  })

  it.each([
    ['200', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
    ['999', 'HTTP/1.1 999 Strange\r\ncontent-length: 0\r\n\r\n'],
    [
      'an upgrade to something else',
      switching({ headers: { 'sec-websocket-key': key } })
        .replace('websocket', 'h2c')
        .concat('\r\n'),
    ],
    [
      'an extension that was not offered',
      `${switching({ headers: { 'sec-websocket-key': key } })}sec-websocket-extensions: x\r\n\r\n`,
    ],
    [
      'a subprotocol that was not offered',
      `${switching({ headers: { 'sec-websocket-key': key } })}sec-websocket-protocol: x\r\n\r\n`,
    ],
    ['an endless header', `HTTP/1.1 101 Switching Protocols\r\nx: ${'x'.repeat(100_000)}`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['the accept value of another key', `${switching({ headers: { 'sec-websocket-key': 'x' } })}\r\n`],
    [
      'a handshake without an accept value',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    ],
    ['nothing', ''],
  ])('gets 502 when the tenant responds with %s', async (_title, text) => {
    await start(respondingWith(text))
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 502 })
    await setup.allClosed()
  })

  it('gets 502 when the connection is refused', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as { port: number }
    await new Promise(done => closed.close(done))
    await start({
      authenticate: async () => ({ tokens: { tenant: `http://127.0.0.1:${port}`, accessToken: async () => 'token' } }),
    })
    const response = await responseTo(handshakeText(setup))
    expect(response).toMatchObject({ status: 502, code: 'tenant_unreachable' })
    expect(response.text).not.toContain(String(port))
  })

  it('gets 504 when the tenant does not respond', async () => {
    await start({ handshakeTimeoutMs: 100, onUpgrade: () => {} })
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 504, code: 'tenant_timeout' })
    await setup.allClosed()
  })

  it('gets 504 when authenticate() does not return', async () => {
    await start({ handshakeTimeoutMs: 100, authenticate: () => new Promise(() => {}) })
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 504 })
  })

  it('is sent once more with a renewed token after 401', async () => {
    let first = true
    await start({
      onUpgrade: (_request, socket) => {
        socket.end(first ? 'HTTP/1.1 401 Unauthorized\r\n\r\n' : 'HTTP/1.1 403 Forbidden\r\n\r\n')
        first = false
      },
    })
    expect(await responseTo(handshakeText(setup))).toMatchObject({ status: 403 })
    expect(setup.rejected).toEqual(['token-0'])
    expect(setup.arrived.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-0', 'Bearer token-1'])
  })

  it('gets 401 when the renewed token is rejected too, and no third attempt', async () => {
    await start(respondingWith('HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\n\r\n'))
    const response = await responseTo(handshakeText(setup))
    expect(response).toMatchObject({ status: 401 })
    expect(response.head).not.toMatch(/www-authenticate: Bearer/i)
    expect(setup.arrived).toHaveLength(2)
  })
})

describe('the forwarded handshake', () => {
  it('has the path, the access token and the WebSocket headers of the browser, and nothing else', async () => {
    await start()
    const query = `reloadUri=${encodeURIComponent(`ws://localhost/qlik/sense/app/${appId}`)}&accessToken=stolen&qlik-csrf-token=x&workloadType=y`
    const lines = {
      Cookie: 'sid=secret',
      Authorization: 'Bearer stolen',
      Referer: 'https://app.example/x',
      'X-Forwarded-For': '10.0.0.1',
      Connection: 'keep-alive, Upgrade, Authorization',
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      'Sec-WebSocket-Protocol': 'qix',
      'User-Agent': 'Probe/1.0',
    }
    const peer = rawPeer(setup, handshakeText(setup, `${appPath}/identity/a?${query}`, lines))
    await peer.until('\r\n\r\n')
    const [request] = setup.arrived
    const reloadUri = encodeURIComponent(`${setup.tenant.replace('http', 'ws')}/sense/app/${appId}`)
    expect(request?.url).toBe(`/app/${appId}/identity/a?reloadUri=${reloadUri}&workloadType=y`)
    expect(request?.headers).toEqual({
      host: new URL(setup.tenant).host,
      connection: 'Upgrade',
      upgrade: 'websocket',
      authorization: 'Bearer token-0',
      'user-agent': 'Probe/1.0',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      'sec-websocket-protocol': 'qix',
    })
  })

  it('returns only the negotiated headers of the tenant', async () => {
    await start({
      onUpgrade: (request, socket) =>
        socket.write(`${switching(request)}set-cookie: a=b\r\nserver: tenant\r\nsec-websocket-protocol: qix\r\n\r\n`),
    })
    const peer = rawPeer(setup, handshakeText(setup, appPath, { 'Sec-WebSocket-Protocol': 'qix' }))
    expect(await peer.until('\r\n\r\n')).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
        'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: qix\r\n\r\n',
    )
  })
})

describe('a handshake', () => {
  const leaving: [string, (peer: RawPeer) => void][] = [
    ['browser half-closes', peer => void peer.socket.end()],
    ['browser closes', peer => void peer.socket.destroy()],
    ['browser resets', peer => void peer.socket.resetAndDestroy()],
  ]

  it.each(leaving)('whose %s during authentication sends nothing to the tenant', async (_title, leave) => {
    const requested = deferred<true>()
    const found = deferred<Principal>()
    await start({
      authenticate: () => {
        requested.resolve(true)
        return found.promise
      },
    })
    const peer = rawPeer(setup, handshakeText(setup))
    await requested.promise
    leave(peer)
    await setup.allClosed()
    found.resolve({ tokens: { tenant: setup.tenant, accessToken: async () => 'token' } })
    await new Promise(setImmediate)
    expect(setup.arrived).toEqual([])
  })

  it.each(leaving)(
    'whose %s while the tenant has not responded ends the connection to the tenant',
    async (_title, leave) => {
      const requested = deferred<Duplex>()
      await start({ onUpgrade: (_request, socket) => requested.resolve(socket) })
      const peer = rawPeer(setup, handshakeText(setup))
      await requested.promise
      leave(peer)
      await setup.allClosed()
    },
  )

  it.each(leaving)('whose %s while it is refused leaves nothing open', async (_title, leave) => {
    await start({ authenticate: async () => undefined })
    const peer = rawPeer(setup, handshakeText(setup))
    leave(peer)
    await peer.all
    await setup.allClosed()
  })

  it('whose login ends gets 401, and the connection to the tenant ends', async () => {
    const requested = deferred<Duplex>()
    await start({ onUpgrade: (_request, socket) => requested.resolve(socket) })
    const peer = rawPeer(setup, handshakeText(setup))
    await requested.promise
    setup.endLogin()
    expect((await peer.all).toString()).toMatch(/^HTTP\/1\.1 401 [\s\S]*session_expired/)
    await setup.allClosed()
  })

  it('during close() gets 503', async () => {
    const requested = deferred<true>()
    await start({ onUpgrade: () => requested.resolve(true) })
    const peer = rawPeer(setup, handshakeText(setup))
    await requested.promise
    await setup.proxy.close({ graceMs: 1000 })
    expect((await peer.all).toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*closing/)
    expect((await rawPeer(setup, handshakeText(setup)).all).toString()).toMatch(/^HTTP\/1\.1 503 /)
  })

  it('whose browser floods the proxy is paused', async () => {
    const requested = deferred<Duplex>()
    await start({ onUpgrade: (_request, socket) => requested.resolve(socket) })
    const connected = once(setup.server, 'connection')
    const { socket } = rawPeer(setup, handshakeText(setup))
    const flood = Buffer.alloc(65_536)
    const push = (): void => {
      while (!socket.destroyed && socket.write(flood));
    }
    socket.on('drain', push)
    await requested.promise
    push()
    const [connection] = await connected
    while (!connection.isPaused()) await new Promise(setImmediate)
    expect(connection.bytesRead).toBeLessThan(1_000_000)
  })
})
