import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { handshakeText, rawPeer, setup, socketSuite, switching } from '../support/socket-setup.ts'

const { start } = socketSuite()

describe('messages', () => {
  it('are forwarded as text and as binary, in both directions', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    browser.send('{"method":"OpenDoc"}')
    expect(await tenant.message()).toEqual({ data: '{"method":"OpenDoc"}', binary: false })
    tenant.send(Buffer.of(1, 2, 3))
    expect(await browser.message()).toEqual({ data: '\x01\x02\x03', binary: true })
  })

  it('are forwarded in their original fragments', async () => {
    await start({ raw: true })
    const tenant = setup.rawTenant()
    const received = collect(tenant)
    const peer = rawPeer(setup, handshakeText(setup))
    await peer.until('\r\n\r\n')
    const frames = ['018100000000', '61', '89820000', '00006869', '0081000000', '0062', '808100000000', '63']
    for (const hex of frames) peer.socket.write(Buffer.from(hex, 'hex'))
    expect(await received(frames.join('').length / 2)).toBe(frames.join(''))
  })

  it('are compressed end to end', async () => {
    await start({ deflate: true })
    const { browser, tenant } = await setup.connect()
    expect(browser.socket.extensions).toBe('permessage-deflate')
    const text = 'all the same '.repeat(100_000)
    tenant.send(text)
    expect((await browser.message()).data).toBe(text)
    browser.send(text)
    expect((await tenant.message()).data).toBe(text)
    expect(setup.proxied()).toBeLessThan(100_000)
  })

  it('that are compression bombs are forwarded compressed', async () => {
    await start({ deflate: true, maxMessageBytes: 200_000 })
    const { browser, tenant } = await setup.connect()
    tenant.send(Buffer.alloc(100_000_000))
    expect((await browser.message()).data).toHaveLength(100_000_000)
    expect(setup.proxied()).toBeLessThan(200_000)
  })

  it('use the subprotocol that the tenant selected', async () => {
    await start()
    const { browser } = await setup.connect({}, ['qix', 'other'])
    expect(browser.socket.protocol).toBe('qix')
  })

  it('that arrive with the handshake of the tenant are forwarded', async () => {
    await start({ onUpgrade: (request, socket) => socket.write(`${switching(request)}\r\n\x81\x02hi`, 'latin1') })
    const socket = setup.open()
    const [data] = await once(socket, 'message')
    expect(String(data)).toBe('hi')
  })

  it('that a browser sends before the handshake is complete are forwarded', async () => {
    await start({ raw: true })
    const tenant = setup.rawTenant()
    const received = collect(tenant)
    const peer = rawPeer(setup)
    peer.socket.write(Buffer.concat([Buffer.from(handshakeText(setup)), Buffer.from('818100000000', 'hex')]))
    peer.socket.write(Buffer.from('61', 'hex'))
    expect(await received(7)).toBe('81810000000061')
  })

  it('of the browser count as activity; pings and pongs do not', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    tenant.send('hello')
    await browser.message()
    browser.socket.ping()
    await once(browser.socket, 'pong')
    expect(setup.active).toBe(0)
    browser.send('hello')
    await tenant.message()
    expect(setup.active).toBe(1)
  })
})

describe('pings', () => {
  it('and pongs are forwarded in both directions', async () => {
    await start()
    const { browser, tenant } = await setup.connect()
    for (const [from, to] of [
      [browser, tenant],
      [tenant, browser],
    ] as const) {
      const pinged = once(to.socket, 'ping')
      const pong = once(from.socket, 'pong')
      from.socket.ping('are you there')
      expect(String((await pinged)[0])).toBe('are you there')
      expect(String((await pong)[0])).toBe('are you there')
    }
  })

  it('of the proxy reach a silent browser, and its pongs are not forwarded', async () => {
    await start({ pingSeconds: 0.05 })
    const { browser, tenant } = await setup.connect()
    const pongs: unknown[] = []
    tenant.socket.on('pong', data => pongs.push(data))
    for (const _ of [1, 2, 3]) await once(browser.socket, 'ping')
    browser.send('still here')
    expect((await tenant.message()).data).toBe('still here')
    expect(pongs).toEqual([])
  })

  it('without a pong end the socket', async () => {
    await start({ pingSeconds: 0.05 })
    const connected = setup.accepted()
    const peer = rawPeer(setup, handshakeText(setup))
    const tenant = await connected
    await peer.all
    await tenant.closed
    await setup.allClosed()
  })
})

describe('a frame of 100 MB', () => {
  const size = 100_000_000
  const header = Buffer.from('827f0000000005f5e100', 'hex')

  it('waits for a slow browser, and the tenant is paused meanwhile', async () => {
    await start({ raw: true })
    const upstream = setup.rawTenant()
    const peer = rawPeer(setup, handshakeText(setup))
    await peer.until('\r\n\r\n')
    peer.socket.pause()
    const tenant = await upstream
    tenant.write(header)
    let sent = 0
    const push = (): void => {
      while (sent < size && !tenant.destroyed) {
        sent += 100_000
        if (!tenant.write(Buffer.alloc(100_000))) return void tenant.once('drain', push)
      }
    }
    push()
    await settled(() => sent)
    // The kernel's buffers of three connections, and a little of the proxy's.
    expect(sent).toBeLessThan(size / 2)
    let received = 0
    peer.socket.removeAllListeners('data')
    peer.socket.on('data', chunk => {
      received += chunk.length
    })
    peer.socket.resume()
    while (received < size + header.length) await once(peer.socket, 'data')
    expect(received).toBe(size + header.length)
    expect(setup.openSockets()).toBe(1)
  })

  it('gets 1009 on both connections when it exceeds the limit', async () => {
    await start({ maxMessageBytes: 1_000_000 })
    const { browser, tenant } = await setup.connect()
    tenant.send(Buffer.alloc(1_000_001))
    expect((await browser.closed).code).toBe(1009)
    expect((await tenant.closed).code).toBe(1009)
  })
})

/** Waits for this many bytes. @returns Them in hexadecimal. */
function collect(accepted: Promise<Socket>): (length: number) => Promise<string> {
  const arrived: Buffer[] = []
  const listening = accepted.then(socket => socket.on('data', (chunk: Buffer) => arrived.push(chunk)))
  return async length => {
    const socket = await listening
    while (Buffer.concat(arrived).length < length) await once(socket, 'data')
    return Buffer.concat(arrived).toString('hex')
  }
}

/** Waits until a number has stopped growing. */
async function settled(value: () => number): Promise<void> {
  for (let same = 0, last = -1; same < 200; same += 1) {
    if (value() !== last) same = 0
    last = value()
    await new Promise(setImmediate)
  }
}
