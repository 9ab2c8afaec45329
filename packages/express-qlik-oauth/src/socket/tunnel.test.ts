import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import { applyMask, closeFrame, encodeFrame } from './frame.ts'
import { Tunnel, type TunnelEnd } from './tunnel.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** The two ends of one TCP connection; both may half-close. */
async function connection(): Promise<{ proxy: Socket; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [proxy] = await accepted
  server.close()
  for (const socket of [proxy, peer]) socket.on('error', () => {})
  closers.push(() => {
    proxy.destroy()
    peer.destroy()
  })
  return { proxy, peer }
}

interface Ends {
  readonly tunnel: Tunnel
  readonly browser: Peer
  readonly tenant: Peer
  readonly ends: TunnelEnd[]
  readonly sockets: readonly Socket[]
  readonly ended: Promise<void>
}

async function openTunnel(stallMs = 60_000): Promise<Ends> {
  const [browser, tenant] = await Promise.all([connection(), connection()])
  const ends: TunnelEnd[] = []
  let onEnd = (): void => {}
  const ended = new Promise<void>(resolve => {
    onEnd = resolve
  })
  const tunnel = new Tunnel({
    browser: browser.proxy,
    tenant: tenant.proxy,
    limits: { extensions: false, maxMessageBytes: 100_000 },
    heartbeatMs: 25_000,
    stallMs,
    listener: {
      active: () => {},
      closed: end => {
        ends.push(end)
        onEnd()
      },
    },
  })
  tunnel.start({ browser: Buffer.alloc(0), tenant: Buffer.alloc(0) })
  return {
    tunnel,
    browser: new Peer(browser.peer, true),
    tenant: new Peer(tenant.peer, false),
    ends,
    sockets: [browser.proxy, tenant.proxy],
    ended,
  }
}

/** A peer that follows RFC 6455 unless it is told otherwise, and reads what it receives naively. */
class Peer {
  readonly socket: Socket
  readonly #masks: boolean
  #received = Buffer.alloc(0)
  /** Close codes received; 1005 for a close frame without one. */
  readonly closeCodes: number[] = []
  /** Bytes received after a close frame. */
  trailing = 0
  messages = 0
  hasClosed = false
  /** Whether a close frame is answered. */
  answers = true

  constructor(socket: Socket, masks: boolean) {
    this.socket = socket
    this.#masks = masks
    socket.on('data', chunk => this.#read(chunk))
    socket.on('end', () => socket.end())
  }

  send(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  message(text: string): Buffer {
    const payload = Buffer.from(text)
    if (!this.#masks) return Buffer.concat([Buffer.of(0x81, payload.length), payload])
    const key = Buffer.of(1, 2, 3, 4)
    return Buffer.concat([Buffer.of(0x81, 0x80 | payload.length), key, applyMask(payload, key)])
  }

  close(code: number): void {
    if (this.hasClosed) return
    this.hasClosed = true
    this.send(encodeFrame(closeFrame(code), this.#masks))
  }

  #read(chunk: Buffer): void {
    if (this.closeCodes.length > 0) {
      this.trailing += chunk.length
      return
    }
    this.#received = Buffer.concat([this.#received, chunk])
    for (;;) {
      const [first = 0, second = 0] = this.#received
      const header = second & 0x80 ? 6 : 2
      const length = second & 0x7f
      if (this.#received.length < 2 || this.#received.length < header + length) return
      const raw = this.#received.subarray(header, header + length)
      const payload = second & 0x80 ? applyMask(raw, this.#received.subarray(2, 6)) : raw
      this.#received = this.#received.subarray(header + length)
      if ((first & 0x0f) !== 8) {
        this.messages += 1
        continue
      }
      this.closeCodes.push(payload.length < 2 ? 1005 : payload.readUInt16BE())
      this.trailing += this.#received.length
      if (this.answers) this.close(this.closeCodes[0] === 1005 ? 1000 : (this.closeCodes[0] ?? 1000))
      return
    }
  }
}

/** What the test knows of a run. */
interface Model {
  /** The ends that the steps so far may have caused. */
  readonly possible: string[]
  /** A peer may send bytes that violate the protocol, depending on what it sent before. */
  violates: boolean
}

type Step = fc.AsyncCommand<Model, Ends>
type Role = 'browser' | 'tenant'

interface StepOptions {
  /** Who may end the tunnel with this step, and the close code. */
  readonly end?: readonly [by: string, code: number]
  readonly violates?: boolean
}

function step(name: string, run: (ends: Ends) => unknown, { end, violates = false }: StepOptions = {}): Step {
  return {
    check: () => true,
    async run(model, real) {
      if (end !== undefined) model.possible.push(end.join(' '))
      if (violates) model.violates = true
      run(real)
      // What was written may arrive before the next step, or not: both orders must work.
      await new Promise(setImmediate)
    },
    toString: () => name,
  }
}

const roles = fc.constantFrom<Role>('browser', 'tenant')
const closeCodes = fc.constantFrom(1000, 1001, 1011, 3000, 4003, 4999)
const violations = fc.constantFrom('c100', 'f100', '8300', '8b00', '0900', '880203ed', '880101')
const steps = [
  roles.map(role => step(`${role} sends a message`, real => real[role].send(real[role].message('hello')))),
  roles.map(role =>
    step(`${role} sends half a frame`, real => real[role].send(real[role].message('hello').subarray(0, -2)), {
      violates: true,
    }),
  ),
  roles.map(role => step(`${role} sends half a header`, real => real[role].send(Buffer.of(0x81)), { violates: true })),
  fc
    .tuple(roles, closeCodes)
    .map(([role, code]) => step(`${role} closes with ${code}`, real => real[role].close(code), { end: [role, code] })),
  roles.map(role => step(`${role} half-closes`, real => real[role].socket.end(), { end: [role, 1006] })),
  roles.map(role => step(`${role} resets`, real => real[role].socket.resetAndDestroy(), { end: [role, 1006] })),
  roles.map(role =>
    step(`${role} stops answering close frames`, real => Object.assign(real[role], { answers: false })),
  ),
  fc.tuple(roles, violations).map(([role, hex]) =>
    step(`${role} sends ${hex}`, real => real[role].send(Buffer.from(hex, 'hex')), {
      end: ['proxy', 1002],
      violates: true,
    }),
  ),
  fc.constant(step('the login ends', endLogin, { end: ['proxy', 4006] })),
  // The third tick of a silent browser destroys the connections.
  fc.constant(step('the heartbeat ticks', real => real.tunnel.tick(), { end: ['proxy', 1006] })),
]

function endLogin({ tunnel }: Ends): void {
  tunnel.close(closeFrame(4006), closeFrame(1000), 50)
}

/** The timers that were set, have not fired and were not cleared. */
function trackTimers(): Set<unknown> {
  const running = new Set<unknown>()
  const { setTimeout: set, clearTimeout: clear } = globalThis
  jest.spyOn(globalThis, 'setTimeout').mockImplementation(((callback: () => void, ms: number) => {
    const timer = set(() => {
      running.delete(timer)
      callback()
    }, ms)
    running.add(timer)
    return timer
  }) as typeof setTimeout)
  jest.spyOn(globalThis, 'clearTimeout').mockImplementation(timer => {
    running.delete(timer)
    clear(timer)
  })
  closers.push(() => jest.restoreAllMocks())
  return running
}

describe('a tunnel', () => {
  it('ends once and completely, whatever its peers do in whatever order', async () => {
    const timers = trackTimers()
    await fc.assert(
      fc.asyncProperty(fc.commands(steps, { maxCommands: 8 }), async commands => {
        const real = await openTunnel()
        const model: Model = { possible: [], violates: false }
        await fc.asyncModelRun(() => ({ model, real }), commands)
        if (model.possible.length === 0 && !model.violates) expect(real.ends).toEqual([])
        // What is still open ends with the login, within its time.
        endLogin(real)
        await real.ended
        await new Promise(setImmediate)

        expect(real.ends).toHaveLength(1)
        const ends = real.ends.map(({ by, code }) => `${by} ${code}`)
        if (!model.violates) expect([...model.possible, 'proxy 4006']).toContain(ends[0])
        expect(timers.size).toBe(0)
        for (const socket of real.sockets) {
          expect(socket.destroyed).toBe(true)
          expect(socket.listenerCount('data') + socket.listenerCount('drain')).toBe(0)
          expect(socket.listenerCount('timeout')).toBe(0)
        }
        for (const peer of [real.browser, real.tenant]) {
          // RFC 6455, section 5.5.1: at most one close frame, nothing after it; section 7.4: no reserved codes.
          expect(peer.closeCodes.length).toBeLessThan(2)
          expect(peer.trailing).toBe(0)
          for (const code of peer.closeCodes) expect([1004, 1006, 1015]).not.toContain(code)
        }
      }),
      { numRuns: 150 },
    )
  })

  it.each([
    ['browser', 'tenant'],
    ['tenant', 'browser'],
  ] as const)('forwards the close frame of the %s and its answer', async (first, second) => {
    const real = await openTunnel()
    real[first].send(real[first].message('hello'))
    real[first].close(4321)
    await real.ended
    expect(real[second]).toMatchObject({ messages: 1, closeCodes: [4321] })
    expect(real[first].closeCodes).toEqual([4321])
    expect(real.ends).toEqual([{ by: first, code: 4321 }])
  })

  it('forwards the answer to a peer that half-closed after its close frame', async () => {
    const real = await openTunnel()
    real.browser.close(1000)
    real.browser.socket.end()
    await real.ended
    expect(real.browser.closeCodes).toEqual([1000])
  })

  it('gives both peers their own code when both close at once', async () => {
    const real = await openTunnel()
    real.browser.close(4001)
    real.tenant.close(4002)
    await real.ended
    expect(real.ends).toHaveLength(1)
    expect(real.browser.closeCodes.length + real.tenant.closeCodes.length).toBeGreaterThan(0)
  })

  it.each(['browser', 'tenant'] as const)('disconnects a %s that takes nothing of what waits for it', async stalled => {
    const real = await openTunnel(200)
    const [reader, writer] = stalled === 'browser' ? [real.browser, real.tenant] : [real.tenant, real.browser]
    reader.socket.removeAllListeners('data').pause()
    const message = writer.message('x'.repeat(125))
    const chunk = Buffer.concat(Array.from({ length: 500 }, () => message))
    const flood = (): void => {
      while (!writer.socket.destroyed && writer.socket.write(chunk));
    }
    writer.socket.on('drain', flood)
    flood()
    await once(real.sockets[stalled === 'browser' ? 0 : 1] as Socket, 'close')
    for (const peer of [reader, writer]) peer.socket.destroy()
    await real.ended
    expect(real.ends).toEqual([{ by: stalled, code: 1006 }])
  })
})
