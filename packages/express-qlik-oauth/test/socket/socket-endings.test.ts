import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it, jest } from '@jest/globals'
import { promptly } from 'test-support/until'
import { endOf, handshakeText, type RawPeer, rawPeer, setup, socketSuite } from '../support/socket-setup.ts'

const { start } = socketSuite()

describe('close frames', () => {
  it.each([
    [1000, 'done'],
    [1001, ''],
    [3000, 'ours'],
    [4000, 'suspended'],
    [4204, 'app not found'],
    [4999, 'x'.repeat(123)],
  ])('pass unchanged in both directions: %i', async (code, reason) => {
    await start()
    for (const first of ['browser', 'tenant'] as const) {
      const ends = await setup.connect()
      ends[first].socket.close(code, reason)
      expect(await ends[first === 'browser' ? 'tenant' : 'browser'].closed).toEqual({ code, reason })
      expect((await ends[first].closed).code).toBe(code)
      await setup.allClosed()
      expect(setup.events.at(-1)).toMatchObject({ type: 'closed', by: first, code })
    }
  })

  it('without a code pass without one', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    browser.socket.close()
    expect((await tenant.closed).code).toBe(1005)
    expect((await browser.closed).code).toBe(1005)
  })

  it('are sent to the other peer when a connection is lost', async () => {
    await start()
    const first = await setup.connect()
    first.tenant.socket.terminate()
    expect(await first.browser.closed).toEqual({ code: 1011, reason: 'the connection to the tenant ended' })
    const second = await setup.connect()
    second.browser.socket.terminate()
    expect(await second.tenant.closed).toEqual({ code: 1001, reason: 'the browser left' })
    await setup.allClosed()
  })

  it.each(['88020000', '880203ed', '880203ee', '880203f7'])('with a reserved code are not forwarded: %s', async hex => {
    const { browser, tenant } = await withRawTenant()
    tenant.write(Buffer.from(hex, 'hex'))
    expect((await browser.closed).code).toBe(1011)
    await setup.allClosed()
  })

  it('cannot follow a frame that was forwarded in part', async () => {
    const { browser, tenant } = await withRawTenant()
    tenant.end(Buffer.from('8205616263', 'hex'))
    expect((await browser.closed).code).toBe(1006)
    await setup.allClosed()
  })
})

describe('the end of a login', () => {
  it('closes both connections of its sockets within a second', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    setup.endLogin()
    await promptly(setup.allClosed())
    expect(await browser.closed).toEqual({ code: 4006, reason: 'the login has ended' })
    expect((await tenant.closed).code).toBe(1000)
    expect(setup.events.at(-1)).toMatchObject({ type: 'closed', by: 'proxy', code: 4006 })
  })

  it('stops forwarding in both directions', async () => {
    const { peer, tenant } = await withRawPeers()
    const sent: Buffer[] = []
    tenant.on('data', chunk => sent.push(chunk))
    setup.endLogin()
    peer.socket.write(masked('81', 'secret'))
    tenant.write(Buffer.from('\x81\x06secret', 'latin1'))
    expect((await peer.all).toString('latin1')).not.toContain('secret')
    expect(Buffer.concat(sent).length).toBe('888200000000'.length / 2 + 2)
  })

  it('lets the frame that is being forwarded complete', async () => {
    const { peer, tenant } = await withRawPeers()
    tenant.write(Buffer.from('8206616263', 'hex'))
    await peer.until('abc')
    setup.endLogin()
    tenant.write(Buffer.from('646566810161', 'hex'))
    const all = (await peer.all).toString('latin1')
    expect(all.endsWith('\x82\x06abcdef\x88\x15\x0f\xa6the login has ended')).toBe(true)
  })

  it('destroys connections that neither complete a frame nor send a close frame', async () => {
    const { peer, tenant } = await withRawPeers()
    tenant.write(Buffer.from('8206616263', 'hex'))
    await peer.until('abc')
    setup.endLogin()
    await promptly(peer.all)
    await setup.allClosed()
  })

  it('destroys the connection of a browser that reads nothing', async () => {
    const { peer, tenant } = await withRawPeers()
    peer.socket.pause()
    const flood = (): void => {
      while (!tenant.destroyed && tenant.write(Buffer.concat([Buffer.from('827e4e20', 'hex'), Buffer.alloc(20_000)])));
    }
    tenant.on('drain', flood)
    flood()
    setup.endLogin()
    await setup.proxyClosed()
    peer.socket.destroy()
    await setup.allClosed()
  })

  it('closes each socket once', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    browser.socket.close(1000)
    await tenant.closed
    await setup.allClosed()
    const other = await setup.connect()
    setup.endLogin()
    expect((await other.browser.closed).code).toBe(4006)
    await setup.allClosed()
    expect(setup.events.filter(({ type }) => type === 'closed')).toHaveLength(2)
  })
})

describe('close()', () => {
  it('closes a thousand idle sockets with 4003', async () => {
    await start({ maxSocketsPerLogin: 1000, maxUpgradesPerMinute: 1000 })
    const ends = []
    for (let batch = 0; batch < 10; batch += 1)
      ends.push(...(await Promise.all(Array.from({ length: 100 }, () => opened()))))
    expect(setup.openSockets()).toBe(1000)
    await setup.proxy.close({ graceMs: 5000 })
    expect(new Set((await Promise.all(ends.map(({ closed }) => closed))).map(({ code }) => code))).toEqual(
      new Set([4003]),
    )
    await setup.allClosed()
  })

  it('destroys sockets that send no close frame within the grace', async () => {
    await withRawPeers()
    await promptly(setup.proxy.close({ graceMs: 100 }))
    expect(setup.openSockets()).toBe(0)
  })

  it('lets the frame that is being forwarded complete within the grace', async () => {
    const { peer, tenant } = await withRawPeers()
    tenant.write(Buffer.from('8206616263', 'hex'))
    await peer.until('abc')
    const closed = setup.proxy.close({ graceMs: 5000 })
    await pause(700)
    tenant.write(Buffer.from('646566', 'hex'))
    expect(await peer.until('shutting down')).toContain('\x82\x06abcdef\x88\x1d\x0f\xa3the server is shutting down')
    for (const socket of [peer.socket, tenant]) socket.end()
    await closed
  })

  it('resolves at once without sockets, and when called again', async () => {
    await start()
    await setup.connect()
    await Promise.all([setup.proxy.close({ graceMs: 1000 }), setup.proxy.close({ graceMs: 1000 })])
    await setup.proxy.close({ graceMs: 1000 })
    expect(setup.openSockets()).toBe(0)
  })

  async function opened() {
    const browser = endOf(setup.open())
    await once(browser.socket, 'open')
    return browser
  }
})

describe('a browser that violates the protocol', () => {
  it.each([
    ['sends a frame without a mask', '8100'],
    ['uses a reserved bit', 'c18000000000'],
    ['uses a reserved opcode', '838000000000'],
    ['sends a fragmented ping', '098000000000'],
    ['sends a long ping', '89fe007e00000000'],
    ['continues nothing', '808000000000'],
    ['closes with 1006', '88820000000003ee'],
  ])('%s, gets 1002, and the frame is not forwarded', async (_title, hex) => {
    const { peer, tenant } = await withRawPeers()
    const sent: Buffer[] = []
    tenant.on('data', chunk => sent.push(chunk))
    peer.socket.write(Buffer.from(hex, 'hex'))
    await peer.until('\x03\xea')
    peer.socket.write(Buffer.from(hex, 'hex'))
    peer.socket.end()
    await setup.allClosed()
    expect(Buffer.concat(sent)[0]).toBe(0x88)
  })

  it('and sends a message above the limit gets 1009 before any of it is forwarded', async () => {
    await start({ maxMessageBytes: 1000 })
    const { browser, tenant } = await setup.connect()
    browser.send(Buffer.alloc(1001))
    expect((await browser.closed).code).toBe(1009)
    expect((await tenant.closed).code).toBe(1001)
  })
})

describe('connections', () => {
  it.each(['browser', 'tenant'] as const)('both end when the %s resets its own', async who => {
    const { peer, tenant } = await withRawPeers()
    tenant.on('data', () => tenant.end())
    peer.socket.on('data', () => peer.socket.end())
    const socket = who === 'browser' ? peer.socket : tenant
    socket.resetAndDestroy()
    await setup.allClosed()
  })

  it('both end when a browser half-closes without a close frame', async () => {
    await start()
    const accepted = setup.accepted()
    const peer = rawPeer(setup, handshakeText(setup))
    await peer.until('\r\n\r\n')
    peer.socket.end()
    expect((await (await accepted).closed).code).toBe(1001)
    await setup.allClosed()
  })

  it('survive an event listener that throws, which is reported as a process warning', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await start({
      onEvent: () => {
        throw new Error('listener')
      },
    })
    const { browser, tenant } = await setup.connect()
    browser.send('hello')
    expect((await tenant.message()).data).toBe('hello')
    expect(warn.mock.calls[0]?.[0]).toBe('A listener of the application threw an error: listener')
    warn.mockRestore()
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

async function withRawPeers(): Promise<{ peer: RawPeer; tenant: Socket }> {
  await start({ raw: true })
  const tenant = setup.rawTenant()
  const peer = rawPeer(setup, handshakeText(setup))
  await peer.until('\r\n\r\n')
  return { peer, tenant: await tenant }
}

/** A frame as a client sends it, with a masking key of zeros. */
function masked(first: string, text: string): Buffer {
  return Buffer.concat([Buffer.from(first, 'hex'), Buffer.of(0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)])
}
