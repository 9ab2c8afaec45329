import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import type { Principal } from '../../src/http/clients/principal.ts'
import { qlikProxy } from '../../src/index.ts'
import { heartbeatPayload } from '../../src/socket/frame.ts'
import { deferred } from '../support/deferred.ts'
import { publicUrl, startProxyProcess } from '../support/proxy-processes.ts'
import {
  appPath,
  endOf,
  handshakeText,
  listen,
  rawPeer,
  responseTo,
  type SetupOptions,
  setup,
  socketSuite,
  switching,
} from '../support/socket-setup.ts'

const { start, startRaw } = socketSuite()

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** The handshake with one more header. */
const withHeader = (line: string) => handshakeText(setup).replace(/\r\n\r\n$/, `\r\n${line}\r\n\r\n`)

describe('a request hidden in an upgrade', () => {
  const hidden = 'GET /qlik/api/v1/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n'

  it('is read as frames after the handshake, and violates the protocol', async () => {
    await start({ raw: true })
    const requests = countRequests()
    const tenant = setup.rawTenant()
    const sent: Buffer[] = []
    void tenant.then(socket => socket.on('data', chunk => sent.push(chunk)))
    const { text } = await responseTo(handshakeText(setup) + hidden)
    await setup.allClosed()
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(text).toContain('\x03\xea')
    expect(Buffer.concat(sent).toString('latin1')).not.toContain('GET')
    expect(requests()).toBe(0)
  })

  it('gets no response after a refusal', async () => {
    await start({ authenticate: async () => undefined })
    const requests = countRequests()
    expect((await responseTo(handshakeText(setup) + hidden)).text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(requests()).toBe(0)
  })

  it.each([
    ['Content-Length: 0'],
    [`Content-Length: ${hidden.length}`],
    ['Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked\r\nContent-Length: 5'],
    ['Transfer-Encoding: identity'],
  ])('is refused as a body: %j', async line => {
    await start()
    const requests = countRequests()
    const { text } = await responseTo(withHeader(line) + hidden)
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(setup.arrived).toEqual([])
    expect(requests()).toBe(0)
  })

  function countRequests(): () => number {
    let count = 0
    for (const server of [setup.server, setup.upstream]) server.on('request', () => (count += 1))
    return () => count
  }
})

describe('a duplicate header', () => {
  it.each([
    ['Host: evil.example', 400],
    ['Origin: https://evil.example', 403],
    ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 400],
    ['Sec-WebSocket-Version: 13', 426],
    ['Upgrade: h2c', 400],
  ])('is refused: %s', async (line, status) => {
    await start()
    expect((await responseTo(withHeader(line))).text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(setup.arrived).toEqual([])
  })

  it('is refused when it is missing: Host', async () => {
    await start()
    expect((await responseTo(handshakeText(setup, appPath, { Host: '' }))).text).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('an unusual upgrade', () => {
  it.each([
    ['in HTTP/1.0', (text: string) => text.replace('HTTP/1.1', 'HTTP/1.0')],
    ['in HTTP/2.0', (text: string) => text.replace('HTTP/1.1', 'HTTP/2.0')],
    ['in HTTP/1.2', (text: string) => text.replace('HTTP/1.1', 'HTTP/1.2')],
    ['with a folded header', (text: string) => text.replace('Origin: ', 'Origin:\r\n ')],
    ['with a space before a colon', (text: string) => text.replace('Origin:', 'Origin :')],
    [
      'with a control character in a header',
      (text: string) => text.replace('Origin:', 'User-Agent: a\x01b\r\nOrigin:'),
    ],
    [
      'with a line that ends in LF alone',
      (text: string) => text.replace('Origin:', 'User-Agent: a\nCookie: b\r\nOrigin:'),
    ],
    ['with a method in small letters', (text: string) => text.replace('GET', 'get')],
  ])('is refused, and the next one works: %s', async (_title, change) => {
    await start()
    const peer = rawPeer(setup, change(handshakeText(setup)))
    expect(await peer.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(setup.events.filter(event => event.type === 'refused' && event.code === 'ERR_INTERNAL')).toEqual([])
    expect(setup.arrived).toEqual([])
    peer.socket.destroy()
    await (await setup.connect()).browser.socket.close()
  })

  it('in absolute form is refused', async () => {
    await start()
    const proxy = qlikProxy({
      publicUrl,
      authenticate: async () => ({ tokens: { tenant: setup.tenant, accessToken: async () => 'token' } }),
    })
    const server = proxy.attach(createServer())
    const port = await listen(server)
    for (const target of ['http://localhost', 'http://evil.example', '//evil.example', '*']) {
      const response = await rawPeer({ port }, handshakeText({ origin: publicUrl }, `${target}${appPath}`)).all
      expect(response.toString()).toMatch(/^HTTP\/1\.1 4\d\d /)
    }
    expect(setup.arrived).toEqual([])
    await proxy.close()
    await new Promise(done => server.close(done))
  })

  it('is forwarded with Connection: Upgrade alone', async () => {
    await start({ raw: true })
    await rawPeer(setup, handshakeText(setup, appPath, { Connection: 'close, Upgrade, Sec-WebSocket-Key' })).until(
      '\r\n\r\n',
    )
    expect(setup.arrived[0]?.headers).toMatchObject({
      connection: 'Upgrade',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    })
  })

  it('whose browser sends frames before the response loses none of them', async () => {
    const requested = deferred<() => void>()
    let received = 0
    await start({
      onUpgrade: (request, socket) => {
        socket.on('data', chunk => {
          received += chunk.length
        })
        requested.resolve(() => socket.write(`${switching(request)}\r\n`))
      },
    })
    const connected = once(setup.server, 'connection')
    const frames = Buffer.concat(
      Array.from({ length: 100 }, () => Buffer.concat([hex('82fe 2710 00000000'), Buffer.alloc(10_000)])),
    )
    const peer = rawPeer(setup, handshakeText(setup))
    const accept = await requested.promise
    peer.socket.write(frames)
    const [connection] = await connected
    while (!connection.isPaused()) await new Promise(setImmediate)
    accept()
    while (received < frames.length) await new Promise(setImmediate)
    expect(setup.openSockets()).toBe(1)
  })

  it('to a tenant that responds one byte at a time ends at the handshake timeout', async () => {
    await start({
      handshakeTimeoutMs: 150,
      onUpgrade: (_request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\n')
        const timer = setInterval(() => socket.write('x'), 10)
        socket.on('close', () => clearInterval(timer))
      },
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 504 /)
    await setup.allClosed()
  })
})

describe('frames that violate the protocol', () => {
  const illegal: [string, string, string][] = [
    ['without the right mask', '8100', '8180 00000000'],
    ['with reserved bits', 'c180 00000000', 'c100'],
    ['with reserved bits in a control frame', 'c980 00000000', 'c900'],
    ['with reserved opcode 3', '8380 00000000', '8300'],
    ['with reserved opcode 15', '8f80 00000000', '8f00'],
    ['with a length of more than 2^63', '82ff ffffffffffffffff 00000000', '827f ffffffffffffffff'],
    ['with a length of 2^53', '82ff 0020000000000000 00000000', '827f 0020000000000000'],
    ['that are a ping of 126 bytes', '89fe 007e 00000000', '897e 007e'],
    ['that are a fragmented ping', '0980 00000000', '0900'],
    ['that are a fragmented close', '0880 00000000', '0800'],
    ['that continue nothing', '8080 00000000', '8000'],
    ['that begin a message within another', '0180 00000000 8180 00000000', '0100 8100'],
    ['that close with one byte', '8881 00000000 03', '8801 03'],
    ['that close with a reason that is not UTF-8', '8884 00000000 03e8 c328', '8804 03e8 c328'],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code): [string, string, string] => {
      const digits = code.toString(16).padStart(4, '0')
      return [`that close with ${code}`, `8882 00000000 ${digits}`, `8802 ${digits}`]
    }),
  ]
  const told = (bytes: Buffer) => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).toString('hex')

  it.each(illegal)('from a browser, %s, close both connections and are not forwarded', async (_title, frame) => {
    const { peer, tenant } = await startRaw()
    peer.socket.write(Buffer.concat([hex(frame), hex('8185 00000000 6c61746572')]))
    peer.socket.end()
    expect(told(await peer.all)).toMatch(/^88..03(?:ea|ef|f1)/)
    await setup.allClosed()
    const sent = Buffer.concat(tenant.chunks)
    const begun = frame.startsWith('0180') ? 6 : 0
    expect(sent.subarray(begun, begun + 2).toString('hex')).toBe('8892')
    expect(sent.length).toBe(begun + 6 + 2 + 'the browser left'.length)
  })

  it.each(illegal)('from a tenant, %s, close both connections and are not forwarded', async (_title, _frame, frame) => {
    const { peer, tenant } = await startRaw()
    tenant.socket.end(Buffer.concat([hex(frame), hex('8105 6c61746572')]))
    expect(told(await peer.all)).toMatch(/^(?:0100)?88..03(?:f3|f1)(?:..)*$/)
    expect((await peer.all).toString('latin1')).toMatch(/(?:the connection to the tenant ended|message too big)$/)
    await setup.allClosed()
    expect(Buffer.concat(tenant.chunks)[0]).toBe(0x88)
  })

  it('after a close frame are not read', async () => {
    const { peer, tenant, received } = await startRaw()
    peer.socket.write(hex('8882 00000000 03e8 8185 00000000 6c61746572'))
    await received(8)
    tenant.socket.end(hex('8802 03e8 8105 6c61746572'))
    expect((await peer.all).subarray(-4)).toEqual(hex('8802 03e8'))
    expect(Buffer.concat(tenant.chunks)).toEqual(hex('8882 00000000 03e8'))
  })
})

describe('half a header that violates the protocol', () => {
  it.each(['c1', '83', '09', '8101', '89fe'])('closes both connections at once: %s', async header => {
    const { peer, tenant } = await startRaw()
    peer.socket.write(hex(header))
    await peer.until('\x03\xea')
    peer.socket.end()
    await setup.allClosed()
    expect(Buffer.concat(tenant.chunks).subarray(0, 1)).toEqual(hex('88'))
  })

  it.each(['c1', '83', '09', '8181'])('from the tenant closes both connections at once: %s', async header => {
    const { peer, tenant } = await startRaw()
    tenant.socket.write(hex(header))
    expect(await peer.until('the connection to the tenant ended')).toContain('\x03\xf3')
    peer.socket.end()
    tenant.socket.end()
    await setup.allClosed()
  })
})

describe('many control frames', () => {
  it('are all forwarded', async () => {
    const { peer, tenant, received } = await startRaw()
    const pings = Buffer.concat(Array.from({ length: 50_000 }, () => hex('8980 00000000')))
    peer.socket.write(pings)
    await received(pings.length)
    expect(Buffer.concat(tenant.chunks).equals(pings)).toBe(true)
  })

  it('are forwarded although they look like responses to pings of the proxy', async () => {
    const { peer, tenant, received } = await startRaw()
    const pongs = Buffer.concat(
      Array.from({ length: 1000 }, () => Buffer.concat([hex('8a88 00000000'), heartbeatPayload])),
    )
    peer.socket.write(pongs)
    await received(pongs.length)
    expect(Buffer.concat(tenant.chunks).equals(pongs)).toBe(true)
  })
})

describe('a login that ends', () => {
  const of = (tokens: Partial<Principal['tokens']>, onEnd: NonNullable<Principal['onEnd']>): SetupOptions => ({
    authenticate: async () => ({
      tokens: { tenant: setup.tenant, accessToken: async () => 'token', ...tokens },
      onEnd,
    }),
  })
  const listening = () => {
    const listeners = new Set<() => void>()
    return {
      end: () => {
        for (const listener of listeners) listener()
      },
      onEnd: (listener: () => void) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      listeners,
    }
  }

  it('during authentication opens nothing', async () => {
    let asked = 0
    await start(
      of(
        {
          accessToken: async () => {
            asked += 1
            return 'token'
          },
        },
        listener => {
          listener()
          return () => {}
        },
      ),
    )
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 401 [\s\S]*session_expired/)
    expect([asked, setup.arrived.length]).toEqual([0, 0])
  })

  it.each(['first', 'renewed'])('during the request for the %s token opens nothing', async which => {
    const { end, onEnd, listeners } = listening()
    const requested = deferred<true>()
    const token = deferred<string>()
    await start({
      ...of(
        {
          accessToken: async ({ rejected } = {}) => {
            if (which === 'renewed' && rejected === undefined) return 'stale'
            requested.resolve(true)
            return await token.promise
          },
        },
        onEnd,
      ),
      onUpgrade: (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'),
    })
    const response = responseTo(handshakeText(setup))
    await requested.promise
    const arrived = setup.arrived.length
    end()
    expect((await response).text).toMatch(/^HTTP\/1\.1 401 [\s\S]*session_expired/)
    token.resolve('late')
    await setup.allClosed()
    expect(setup.arrived).toHaveLength(arrived)
    expect(listeners.size).toBe(0)
  })

  it('while the tenant accepts: the browser gets 401, or a socket that is closed at once', async () => {
    const { end, onEnd, listeners } = listening()
    await start({
      ...of({}, onEnd),
      onUpgrade: (request, socket) => {
        socket.write(`${switching(request)}\r\n`)
        end()
      },
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(
      /^HTTP\/1\.1 401 [\s\S]*session_expired|the login has ended/,
    )
    await setup.allClosed()
    expect(listeners.size).toBe(0)
  })

  it('in the event of an opened socket closes it with 4006', async () => {
    const { end, onEnd, listeners } = listening()
    await start({ ...of({}, onEnd), onEvent: ({ type }) => type === 'opened' && end() })
    const browser = endOf(setup.open())
    expect((await browser.closed).code).toBe(4006)
    await setup.allClosed()
    expect(listeners.size).toBe(0)
  })

  it('on a message closes with 4006 after the message was forwarded', async () => {
    const { end, onEnd } = listening()
    await start({
      authenticate: async () => ({
        tokens: { tenant: setup.tenant, accessToken: async () => 'token' },
        onEnd,
        active: end,
      }),
    })
    const { browser, tenant } = await setup.connect()
    browser.send('last words')
    expect(await tenant.message()).toMatchObject({ data: 'last words' })
    expect((await browser.closed).code).toBe(4006)
    await setup.allClosed()
  })

  it('in an application whose callbacks throw: sockets still work', async () => {
    await start({
      authenticate: async () => ({
        tokens: { tenant: setup.tenant, accessToken: async () => 'token' },
        active() {
          throw new Error('active')
        },
        onEnd: () => () => {
          throw new Error('leave')
        },
      }),
    })
    const { browser, tenant } = await setup.connect()
    browser.send('hello')
    expect(await tenant.message()).toMatchObject({ data: 'hello' })
    browser.socket.close(1000)
    expect((await tenant.closed).code).toBe(1000)
    await setup.allClosed()
  })
})

describe('a process that gets SIGTERM', () => {
  it('refuses pending handshakes, closes open sockets and exits', async () => {
    const held = deferred<Duplex>()
    await start({
      onUpgrade: (request, socket) => {
        if (setup.arrived.length === 1) socket.write(`${switching(request)}\r\n`)
        else held.resolve(socket)
      },
    })
    const proxy = await startProxyProcess(setup.tenant)
    const text = handshakeText({ origin: publicUrl })
    const connected = rawPeer(proxy, text)
    await connected.until('\r\n\r\n')
    connected.socket.on('data', () => connected.socket.end(hex('8882 00000000 0fa3')))
    const waiting = rawPeer(proxy, text)
    await held.promise
    const code = proxy.stop()
    expect((await waiting.all).toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"closing"/)
    expect((await connected.all).toString('latin1')).toContain('\x0f\xa3the server is shutting down')
    expect(await code).toBe(0)
    expect(proxy.output()).toBe('')
  })
})
