import type { Duplex } from 'node:stream'
import { type ControlFrame, closing, frameBytes, opcodes, pingPayload } from './frame.ts'
import { type FrameLimits, FrameReader, type FrameSink, type ViolationCode } from './frame-reader.ts'
import type { HeartbeatMember } from './heartbeat.ts'

export interface TunnelOptions {
  readonly browser: Duplex
  readonly tenant: Duplex
  readonly limits: FrameLimits
  readonly listener: TunnelListener
}

export interface TunnelListener {
  /** The browser sent data: somebody is there. */
  active(): void
  /** Both connections are closed. Called once. */
  closed(end: TunnelEnd): void
}

/** Why a pair of connections ended: the first close code that was sent, and who sent it. */
export interface TunnelEnd {
  readonly by: 'browser' | 'tenant' | 'proxy'
  readonly code: number
}

/** `beat` pings a silent browser; it is to be called once in each period of silence that is allowed. */
export interface Tunnel extends HeartbeatMember {
  /** Hands over what a side sent before the connections were joined. */
  begin(early: { readonly browser: Buffer; readonly tenant: Buffer }): void
  /** Ends both connections with a close code each; what has not closed after `withinMs` is cut off. */
  close(toBrowser: ControlFrame, toTenant: ControlFrame, withinMs: number): void
}

/**
 * Joins two WebSocket connections whose handshake is done, byte for byte and with back-pressure.
 *
 * Messages pass as they are: fragmented, compressed or binary. Frames of our own go only between theirs: a close frame
 * when one side is to be told of an end, and a ping to a silent browser.
 */
export function openTunnel(options: TunnelOptions): Tunnel {
  return new Pair(options)
}

/**
 * A class, like its sides, against the habit of this house: with closures, an idle socket took twice the memory in the
 * heap.
 */
class Pair implements Tunnel {
  readonly #browser: Endpoint
  readonly #tenant: Endpoint
  readonly #listener: TunnelListener
  #end: TunnelEnd | undefined
  #cut: NodeJS.Timeout | undefined
  #cutAt = 0
  #silentPeriods = 0

  constructor({ browser, tenant, limits, listener }: TunnelOptions) {
    this.#listener = listener
    this.#browser = new Endpoint(this, browser, 'browser', limits)
    this.#tenant = new Endpoint(this, tenant, 'tenant', limits)
    this.#browser.join(this.#tenant)
    this.#tenant.join(this.#browser)
  }

  begin(early: { readonly browser: Buffer; readonly tenant: Buffer }): void {
    if (early.tenant.length > 0) this.#tenant.receive(early.tenant)
    if (early.browser.length > 0) this.#browser.receive(early.browser)
  }

  close(toBrowser: ControlFrame, toTenant: ControlFrame, withinMs: number): void {
    this.ended('proxy', toBrowser.payload.readUInt16BE())
    this.cutIn(withinMs)
    this.#browser.tell(toBrowser)
    this.#tenant.tell(toTenant)
  }

  /**
   * Pings a browser from which nothing came for a whole period, and gives it up when nothing came in the next one
   * either. A side that is sent something and takes none of it counts as silent too, since nobody reads from the other
   * one meanwhile.
   */
  tick(): void {
    this.#silentPeriods += 1
    if (this.#silentPeriods > 2) this.#cutOff()
    else if (this.#silentPeriods === 2 && !this.#tenant.midFrame) this.#browser.ping()
  }

  /** A sign of life: the browser sent something, or somebody who was slow has taken what was sent. */
  alive(): void {
    this.#silentPeriods = 0
  }

  /** The browser sent data. */
  active(): void {
    this.#listener.active()
  }

  ended(by: TunnelEnd['by'], code: number): void {
    this.#end ??= { by, code }
  }

  cutIn(withinMs: number): void {
    const at = performance.now() + withinMs
    if (this.#cut !== undefined && this.#cutAt <= at) return
    clearTimeout(this.#cut)
    this.#cutAt = at
    this.#cut = setTimeout(() => this.#cutOff(), withinMs)
  }

  #cutOff(): void {
    this.#browser.socket.destroy()
    this.#tenant.socket.destroy()
  }

  finish(): void {
    clearTimeout(this.#cut)
    this.#listener.closed(this.#end ?? { by: 'proxy', code: 1006 })
  }
}

/** One of the two connections, which takes the frames that its own peer sends. */
class Endpoint implements FrameSink {
  readonly socket: Duplex
  readonly #pair: Pair
  readonly #name: 'browser' | 'tenant'
  /** Reads what this side sends. */
  readonly #reader: FrameReader
  #other: Endpoint = this
  /** A close frame that waits until the frame on its way to this side has ended. */
  #parting: ControlFrame | undefined
  /** This side was sent a close frame: nothing may follow it. */
  #told = false
  /** This side sent its close frame: nothing of it is read any more. */
  #said = false
  #left = false
  #closed = false
  /** A ping of ours has not been answered yet. Pongs that nobody asked for go on like others. */
  #pinged = false

  constructor(pair: Pair, socket: Duplex, name: 'browser' | 'tenant', limits: FrameLimits) {
    this.#pair = pair
    this.socket = socket
    this.#name = name
    this.#reader = new FrameReader(name === 'browser', limits)
  }

  join(other: Endpoint): void {
    this.#other = other
    const socket: SplicedSocket = this.socket
    socket[side] = this
    socket.on('data', onData).on('drain', onDrain).on('end', onEnd).on('close', onClose)
    // Whoever sent much before the handshake was done has been made to wait.
    socket.resume()
  }

  get midFrame(): boolean {
    return this.#reader.midFrame
  }

  receive(chunk: Buffer): void {
    if (this.#name === 'browser') this.#pair.alive()
    this.#reader.read(chunk, this)
    const other = this.#other
    if (!other.#told && other.socket.writableNeedDrain) this.socket.pause()
  }

  drained(): void {
    this.#pair.alive()
    this.#other.socket.resume()
  }

  pass(bytes: Buffer, boundary: number | undefined, inUse: boolean): void {
    const to = this.#other
    if (to.#told) return
    if (to.#parting === undefined) {
      to.socket.write(bytes)
    } else {
      to.socket.write(bytes.subarray(0, boundary))
      if (boundary !== undefined) to.#part(to.#parting)
    }
    if (inUse && this.#name === 'browser') this.#pair.active()
  }

  isOurs(payload: Buffer): boolean {
    if (!this.#pinged || !payload.equals(pingPayload)) return false
    this.#pinged = false
    return true
  }

  close(bytes: Buffer, payload: Buffer): void {
    const to = this.#other
    this.#pair.ended(this.#name, payload.length === 0 ? 1005 : payload.readUInt16BE())
    this.#said = true
    this.#pair.cutIn(handshakeMs)
    if (!to.#told) {
      to.#told = true
      to.socket.write(bytes)
    }
    to.#settle()
    this.#settle()
  }

  violation(code: ViolationCode, reason: string): void {
    this.#said = true
    this.#pair.ended('proxy', code)
    this.#pair.cutIn(handshakeMs)
    const frame = closing(code, reason)
    this.tell(frame)
    this.#other.tell(code === 1009 && this.#name === 'tenant' ? frame : departed(this.#name))
  }

  /** The connection has ended, with or without a close frame. */
  leave(): void {
    if (this.#left) return
    const to = this.#other
    this.#left = this.#said = this.#told = true
    this.#pair.ended(this.#name, 1006)
    this.socket.end()
    this.#pair.cutIn(handshakeMs)
    // The frame that is under way will never be complete, so no other can follow it.
    if (this.#reader.midFrame && !to.#told) to.socket.destroy()
    else to.tell(departed(this.#name))
    to.#settle()
    to.socket.resume()
  }

  gone(): void {
    this.leave()
    this.#closed = true
    if (this.#other.#closed) this.#pair.finish()
  }

  ping(): void {
    if (this.#told || this.#parting !== undefined) return
    this.#pinged = true
    this.socket.write(ourPing)
  }

  /** Sends a close frame, after the frame from the other side that is under way. */
  tell(frame: ControlFrame): void {
    if (this.#told || this.#parting !== undefined) return
    if (this.#other.#reader.midFrame) {
      this.#parting = frame
      this.#pair.cutIn(partingMs)
    } else {
      this.#part(frame)
    }
  }

  #part(frame: ControlFrame): void {
    this.#told = true
    this.socket.write(frameBytes(frame, this.#name === 'tenant'))
    // Nothing is passed on any more, but the answer to this frame is still to be read.
    this.#other.socket.resume()
    this.#settle()
  }

  /**
   * Ends a connection on which both close frames have been sent, or ours when nobody is left to pass an answer on to.
   */
  #settle(): void {
    if (this.#told && (this.#said || this.#other.#left)) this.socket.end()
  }
}

const side = Symbol('side of a splice')

/** The sockets know their sides, so that all of them share these listeners. */
type SplicedSocket = Duplex & { [side]?: Endpoint }

function onData(this: SplicedSocket, chunk: Buffer): void {
  this[side]?.receive(chunk)
}
function onDrain(this: SplicedSocket): void {
  this[side]?.drained()
}
function onEnd(this: SplicedSocket): void {
  this[side]?.leave()
}
function onClose(this: SplicedSocket): void {
  this[side]?.gone()
}

/**
 * How long a side may take to answer a close frame that the other one sent; it may have much to read before it gets
 * there.
 */
const handshakeMs = 10_000
/** How long a frame that is under way may hold up a close frame of ours, and its answer. */
const partingMs = 500

const ourPing = frameBytes({ opcode: opcodes.ping, payload: pingPayload }, false)

/** What the other one is told when a side went without a close frame, or was sent away. */
function departed(name: 'browser' | 'tenant'): ControlFrame {
  return name === 'tenant' ? closing(1011, 'the connection to the tenant ended') : closing(1001, 'the browser left')
}
