import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import type { TokenSource } from 'qlik-oauth'
import { promptly } from 'test-support/until'
import { deferred } from '../support/deferred.ts'
import {
  endOf,
  handshakeText,
  type RawPeer,
  rawPeer,
  responseTo,
  type SetupOptions,
  setup,
  socketSuite,
  switching,
} from '../support/socket-setup.ts'

const { start, startRaw } = socketSuite()

const withTokens = (accessToken: TokenSource['accessToken']): SetupOptions => ({
  authenticate: async () => ({ tokens: { tenant: setup.tenant, accessToken } }),
})
const reset = (socket: Duplex) => void (socket as Socket).resetAndDestroy()

describe('a browser that resets its connection', () => {
  it('during the token request aborts it, and no upgrade is sent', async () => {
    const requested = deferred<AbortSignal | undefined>()
    const token = deferred<string>()
    await start(
      withTokens(({ signal } = {}) => {
        requested.resolve(signal)
        return token.promise
      }),
    )
    const peer = rawPeer(setup, handshakeText(setup))
    const signal = await requested.promise
    peer.socket.resetAndDestroy()
    await setup.allClosed()
    expect(signal?.aborted).toBe(true)
    token.resolve('token')
    await new Promise(setImmediate)
    expect(setup.arrived).toEqual([])
    expect(setup.events).toEqual([])
  })

  it('during the renewal of a rejected token causes no second upgrade', async () => {
    const requested = deferred<true>()
    const token = deferred<string>()
    await start({
      ...withTokens(async ({ rejected } = {}) => {
        if (rejected === undefined) return 'stale'
        requested.resolve(true)
        return await token.promise
      }),
      onUpgrade: (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'),
    })
    const peer = rawPeer(setup, handshakeText(setup))
    await requested.promise
    peer.socket.resetAndDestroy()
    await setup.allClosed()
    token.resolve('fresh')
    await new Promise(setImmediate)
    expect(setup.arrived.map(({ headers }) => headers.authorization)).toEqual(['Bearer stale'])
  })

  it('during the response of the tenant leaves nothing open', async () => {
    const peers: RawPeer[] = []
    await start({
      onUpgrade: (request, socket) => {
        peers[0]?.socket.resetAndDestroy()
        socket.write(`${switching(request)}\r\n`)
      },
    })
    peers.push(rawPeer(setup, handshakeText(setup)))
    await once(setup.upstream, 'upgrade')
    await setup.allClosed()
  })

  it('in the middle of a frame: no other frame is sent to the tenant', async () => {
    const { peer, tenant, received } = await startRaw()
    const frame = Buffer.from('828a00000000616263', 'hex')
    peer.socket.write(frame)
    await received(frame.length)
    peer.socket.resetAndDestroy()
    await setup.allClosed()
    expect(Buffer.concat(tenant.chunks)).toEqual(frame)
    expect(setup.events.at(-1)).toMatchObject({ type: 'closed', by: 'browser', code: 1006 })
  })

  it('in the middle of a frame header: the tenant gets a close frame', async () => {
    const { peer, tenant } = await startRaw()
    peer.socket.write(Buffer.from('82fe', 'hex'))
    peer.socket.resetAndDestroy()
    await setup.allClosed()
    expect(Buffer.concat(tenant.chunks)[0]).toBe(0x88)
  })

  it.each(['at once', 'after the response'])('when the upgrade is refused, %s', async moment => {
    await start({ authenticate: async () => undefined })
    const peer = rawPeer(setup, handshakeText(setup))
    if (moment === 'after the response') await peer.until('traceId')
    peer.socket.resetAndDestroy()
    await setup.allClosed()
  })

  it('during the closing handshake ends both connections', async () => {
    const { peer, tenant, received } = await startRaw()
    peer.socket.write(Buffer.from('88820000000003e8', 'hex'))
    await received(8)
    peer.socket.resetAndDestroy()
    tenant.socket.write(Buffer.from('880203e8', 'hex'))
    await setup.allClosed()
    expect(setup.events.at(-1)).toMatchObject({ type: 'closed', by: 'browser', code: 1000 })
  })
})

describe('a tenant that resets its connection', () => {
  it('on connect: the browser gets 502', async () => {
    const resetting = createServer(socket => reset(socket)).listen(0, '127.0.0.1')
    await once(resetting, 'listening')
    const { port } = resetting.address() as { port: number }
    await start({
      authenticate: async () => ({ tokens: { tenant: `http://127.0.0.1:${port}`, accessToken: async () => 'token' } }),
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 502 [\s\S]*tenant_reset/)
    await setup.allClosed()
    await new Promise(done => resetting.close(done))
  })

  it.each([
    ['before it responds', ''],
    ['in the middle of its response', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: webs'],
  ])('%s: the browser gets 502', async (_title, text) => {
    await start({
      onUpgrade: (_request, socket) => void (text === '' ? reset(socket) : socket.write(text, () => reset(socket))),
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 502 [\s\S]*tenant_re/)
    await setup.allClosed()
  })

  it('at the second attempt: the browser gets 502, not the 401 of the first', async () => {
    await start({
      onUpgrade: (_request, socket) =>
        void (setup.arrived.length === 1 ? socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n') : reset(socket)),
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 502 [\s\S]*tenant_reset/)
    expect(setup.arrived).toHaveLength(2)
    await setup.allClosed()
  })

  it('during its refusal: the browser gets the refusal or 502', async () => {
    await start({
      onUpgrade: (_request, socket) =>
        void socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 1000\r\n\r\nno', () => reset(socket)),
    })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 (?:403|502) /)
    await setup.allClosed()
  })

  it('right after its handshake: nothing stays open', async () => {
    await start({ onUpgrade: (request, socket) => void socket.write(`${switching(request)}\r\n`, () => reset(socket)) })
    expect((await responseTo(handshakeText(setup))).text).toMatch(/^HTTP\/1\.1 (?:101|502) /)
    await setup.allClosed()
  })

  it('between frames: the browser gets 1011', async () => {
    const { browser, tenant } = await withRawTenant()
    tenant.write(Buffer.from('820161', 'hex'))
    await browser.message()
    reset(tenant)
    expect((await browser.closed).code).toBe(1011)
    await setup.allClosed()
    expect(setup.events.at(-1)).toMatchObject({ type: 'closed', by: 'tenant', code: 1006 })
  })

  it('in the middle of a frame: the browser gets no frame in its place', async () => {
    const { peer, tenant } = await startRaw()
    tenant.socket.write(Buffer.from('8205616263', 'hex'))
    await peer.until('abc')
    reset(tenant.socket)
    expect((await promptly(peer.all)).toString('latin1').endsWith('\r\n\r\n\x82\x05abc')).toBe(true)
    await setup.allClosed()
  })

  it('instead of a close frame in response: the connection of the browser ends at once', async () => {
    const { browser, tenant } = await withRawTenant()
    tenant.once('data', () => reset(tenant))
    browser.socket.close(1000)
    await promptly(browser.closed)
    await setup.allClosed()
  })
})

describe('after twenty resets', () => {
  it('other sockets still work', async () => {
    await start()
    const bystander = await setup.connect()
    for (let count = 0; count < 20; count += 1) {
      const peer = rawPeer(setup, handshakeText(setup))
      if (count % 2 === 0) await peer.until('\r\n\r\n')
      peer.socket.resetAndDestroy()
    }
    while ((await setup.browserConnections()) > 1) await new Promise(setImmediate)
    bystander.browser.send('still here')
    expect(await bystander.tenant.message()).toMatchObject({ data: 'still here' })
  })
})

/** A WebSocket client, and a tenant that writes raw bytes. */
async function withRawTenant() {
  await start({ raw: true })
  const tenant = setup.rawTenant()
  const browser = endOf(setup.open())
  await once(browser.socket, 'open')
  return { browser, tenant: await tenant }
}
