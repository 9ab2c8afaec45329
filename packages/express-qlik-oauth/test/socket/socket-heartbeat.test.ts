import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { setup, socketSuite } from '../support/socket-setup.ts'

/** A silent browser is disconnected after two or three of these. */
const pingSeconds = 0.1
const { startRaw } = socketSuite({ pingSeconds })
const periods = (count: number) => pause(count * pingSeconds * 1000)
const frameHeader = (length: number) => {
  const header = Buffer.from('827f0000000000000000', 'hex')
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}

describe('the heartbeat', () => {
  it('keeps a socket open while a frame of the tenant arrives, however slowly', async () => {
    const { peer, tenant } = await startRaw()
    tenant.socket.write(frameHeader(20))
    for (let byte = 0; byte < 20; byte += 1) {
      tenant.socket.write('x')
      await periods(0.5)
    }
    await peer.until('x'.repeat(20))
    expect(setup.openSockets()).toBe(1)
  })

  it('keeps a socket open whose browser reads a large frame slowly and steadily', async () => {
    const { peer, tenant } = await startRaw()
    const size = 8_000_000
    let received = 0
    peer.socket.removeAllListeners('data').on('data', chunk => {
      received += chunk.length
      peer.socket.pause()
      // Two seconds for the whole frame.
      setTimeout(() => peer.socket.resume(), (chunk.length / size) * 2000)
    })
    tenant.socket.write(Buffer.concat([frameHeader(size), Buffer.alloc(size)]))
    while (received < size) {
      expect(setup.openSockets()).toBe(1)
      await once(peer.socket, 'data')
    }
    expect(setup.openSockets()).toBe(1)
  })

  it('keeps a socket open whose browser sends the pong only after what was sent before it', async () => {
    const { peer, tenant } = await startRaw()
    // Fits into the buffers of the kernel, so that nothing waits in the proxy.
    const size = 50_000
    peer.socket.pause()
    tenant.socket.write(Buffer.concat([frameHeader(size), Buffer.alloc(size)]))
    await periods(10)
    expect(setup.openSockets()).toBe(1)
  })

  it('keeps a socket open whose tenant reads a large frame slowly and steadily', async () => {
    const { peer, tenant } = await startRaw()
    const size = 8_000_000
    let received = 0
    tenant.socket.removeAllListeners('data').on('data', chunk => {
      received += chunk.length
      tenant.socket.pause()
      setTimeout(() => tenant.socket.resume(), (chunk.length / size) * 2000)
    })
    // Responds to pings, after the frame.
    peer.socket.on('data', () => peer.socket.write(Buffer.from('8a8000000000', 'hex')))
    const header = frameHeader(size)
    header[1] = 0xff
    peer.socket.write(Buffer.concat([header, Buffer.alloc(4 + size)]))
    while (received < size) {
      expect(setup.openSockets()).toBe(1)
      await once(tenant.socket, 'data')
    }
    expect(setup.openSockets()).toBe(1)
  })

  it('disconnects a silent browser although the tenant sends messages', async () => {
    const { peer, tenant } = await startRaw()
    const timer = setInterval(() => tenant.socket.write(Buffer.from('810161', 'hex')), 20)
    await peer.all
    clearInterval(timer)
    await setup.proxyClosed()
  })
})
