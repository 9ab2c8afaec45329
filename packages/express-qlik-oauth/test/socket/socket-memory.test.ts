import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type ProxyProcess, publicUrl, startProxyProcess } from '../support/proxy-processes.ts'
import { handshakeText, rawPeer, type Setup, socketSetup } from '../support/socket-setup.ts'

const size = 100_000_000
const mostWhileStalled = 20_000_000
/** Includes chunks that are not collected yet. */
const most = 80_000_000

let tenant: Setup
let proxy: ProxyProcess
beforeEach(async () => {
  tenant = await socketSetup({ raw: true })
  proxy = await startProxyProcess(tenant.tenant)
})
afterEach(async () => {
  await tenant.stop()
  await proxy.stop()
})

describe('the memory of the proxy', () => {
  it.each(['browser', 'tenant'] as const)('stays bounded while a frame of 100 MB waits for a slow %s', async slow => {
    const accepted = tenant.rawTenant()
    const peer = rawPeer(proxy, handshakeText({ origin: publicUrl }))
    await peer.until('\r\n\r\n')
    peer.socket.removeAllListeners('data')
    const ends = { browser: peer.socket, tenant: await accepted }
    const [reader, writer] = slow === 'browser' ? [ends.browser, ends.tenant] : [ends.tenant, ends.browser]
    const header = Buffer.from(slow === 'browser' ? '827f0000000005f5e100' : '82ff0000000005f5e10000000000', 'hex')
    reader.pause()

    await proxy.residentBytes()
    const before = await proxy.residentBytes()
    writer.write(header)
    const sending = flood(writer)
    const stalled = await mostUntilBlocked(writer)
    const received = await readSlowly(reader, header.length + size)
    await sending
    const after = await proxy.residentBytes()

    expect(received).toBe(header.length + size)
    expect(stalled - before).toBeLessThan(mostWhileStalled)
    expect(after - before).toBeLessThan(most)
  })
})

async function flood(socket: Socket): Promise<void> {
  const chunk = Buffer.alloc(100_000)
  for (let sent = 0; sent < size; sent += chunk.length) if (!socket.write(chunk)) await once(socket, 'drain')
}

/** Waits until the proxy reads nothing more from this socket. @returns The peak of its resident memory until then. */
async function mostUntilBlocked(socket: Socket): Promise<number> {
  let residentBytes = 0
  for (let same = 0, last = -1; same < 50; same += 1) {
    const taken = socket.bytesWritten - socket.writableLength
    if (taken !== last) same = 0
    last = taken
    // The proxy responds only after it has polled its sockets.
    residentBytes = Math.max(residentBytes, await proxy.residentBytes())
  }
  return residentBytes
}

/** Reads with a pause after each of the first chunks. */
async function readSlowly(socket: Socket, wanted: number): Promise<number> {
  let received = 0
  // One call of `resume` may emit several chunks.
  socket.on('data', chunk => {
    received += chunk.length
  })
  while (received < 10_000_000) {
    const arrived = once(socket, 'data')
    socket.resume()
    await arrived
    socket.pause()
    await proxy.residentBytes()
  }
  while (received < wanted) {
    const arrived = once(socket, 'data')
    socket.resume()
    await arrived
  }
  return received
}
