import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { browserLost, tenantLost, type ViolationCode } from './close-codes.ts'
import { type ControlFrame, closeFrame, encodeFrame, heartbeatPayload, opcodes } from './frame.ts'
import { type FrameLimits, FrameReader, type FrameSink } from './frame-reader.ts'

/** Which peer a connection leads to. */
export type Role = 'browser' | 'tenant'

/** What an endpoint reports to its tunnel. */
export interface EndpointListener {
  /** Bytes arrived from this peer. */
  received(role: Role): void
  /** Bytes were written to this peer. */
  written(role: Role, bytes: number): void
  /** The write buffer of this peer is empty again. */
  drained(role: Role): void
  /** The browser sent data, not only control frames. */
  dataReceived(role: Role): void
  /** The closing handshake began, or a connection was lost: who began it, and the close code. */
  closing(by: Role | 'proxy', code: number): void
  /** Both connections must be closed within this time. */
  destroyWithin(ms: number): void
  /** This connection is closed. */
  closed(): void
}

/**
 * One of the two connections of a tunnel: reads the frames of its peer and forwards them to the other endpoint.
 *
 * Closing handshake, RFC 6455, section 7: a received close frame is forwarded; once a close frame was sent, nothing
 * follows it; once one was received, nothing more is read. With both, the TCP connection ends.
 */
export class Endpoint implements FrameSink {
  readonly socket: Duplex
  readonly #role: Role
  readonly #listener: EndpointListener
  readonly #reader: FrameReader
  readonly #stallMs: number
  #other: Endpoint = this
  #closeSent = false
  #closeReceived = false
  /** A close frame to be sent when the frame that is being forwarded to this peer is complete. */
  #pendingClose: ControlFrame | undefined
  /** The peer has ended or lost its connection. */
  #disconnected = false
  #isClosed = false
  #pongExpected = false
  #receivedBytes = 0

  /** @param stallMs How long writes to the peer may stall. */
  constructor(socket: Duplex, role: Role, limits: FrameLimits, stallMs: number, listener: EndpointListener) {
    this.socket = socket
    this.#role = role
    this.#reader = new FrameReader(role === 'browser', limits)
    this.#stallMs = stallMs
    this.#listener = listener
  }

  /** Begins to forward to the other endpoint. */
  connect(other: Endpoint): void {
    this.#other = other
    const socket: TunnelSocket = this.socket
    socket[endpoint] = this
    for (const [event, listener] of socketListeners) socket.on(event, listener)
    socket.resume()
  }

  /** Whether a frame of this peer has been forwarded in part. */
  get midFrame(): boolean {
    return this.#reader.midFrame
  }

  /** What this peer has sent. */
  get sent(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#reader.messages, bytes: this.#receivedBytes }
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length
    this.#listener.received(this.#role)
    this.#reader.read(chunk, this)
    const to = this.#other
    if (to.#closeSent || !to.socket.writableNeedDrain) return
    this.socket.pause()
    // Node restarts this timeout whenever bytes are written to the kernel.
    if (to.socket instanceof Socket) to.socket.setTimeout(to.#stallMs)
  }

  drained(): void {
    if (this.socket instanceof Socket) this.socket.setTimeout(0)
    this.#listener.drained(this.#role)
    this.#other.socket.resume()
  }

  forward(bytes: Buffer, frameEnd: number | undefined, hasData: boolean): void {
    const to = this.#other
    if (to.#closeSent) return
    if (to.#pendingClose === undefined) {
      to.#write(bytes)
    } else {
      to.#write(bytes.subarray(0, frameEnd))
      if (frameEnd !== undefined) to.#writeClose(to.#pendingClose)
    }
    if (hasData) this.#listener.dataReceived(this.#role)
  }

  isHeartbeatPong(payload: Buffer): boolean {
    if (!this.#pongExpected || !payload.equals(heartbeatPayload)) return false
    this.#pongExpected = false
    return true
  }

  close(bytes: Buffer, payload: Buffer): void {
    const to = this.#other
    this.#listener.closing(this.#role, payload.length === 0 ? 1005 : payload.readUInt16BE())
    this.#closeReceived = true
    this.#listener.destroyWithin(closingHandshakeMs)
    if (!to.#closeSent) {
      to.#closeSent = true
      to.#write(bytes)
    }
    to.#endIfClosed()
    this.#endIfClosed()
  }

  violation(code: ViolationCode, reason: string): void {
    this.#closeReceived = true
    this.#listener.closing('proxy', code)
    this.#listener.destroyWithin(closingHandshakeMs)
    const frame = closeFrame(code, reason)
    this.sendClose(frame)
    this.#other.sendClose(code === 1009 && this.#role === 'tenant' ? frame : connectionLost[this.#role])
  }

  /** The peer will send nothing more. */
  inputEnded(): void {
    // A peer that half-closes after its close frame can still read the close frame in response.
    if (this.#closeReceived && !this.#closeSent && !this.#other.#disconnected) return
    this.#disconnect()
  }

  /** The socket emitted `close`. */
  socketClosed(): void {
    if (this.#isClosed) return
    this.#disconnect()
    this.#isClosed = true
    for (const [event, listener] of socketListeners) this.socket.off(event, listener)
    this.#listener.closed()
  }

  ping(): void {
    if (this.#closeSent || this.#pendingClose !== undefined) return
    this.#pongExpected = true
    this.socket.write(heartbeatPing)
  }

  /**
   * Sends a close frame now, or after the frame that is being forwarded to this peer.
   *
   * @param withinMs Time for the end of that frame and for the close frame in response, in milliseconds.
   */
  sendClose(frame: ControlFrame, withinMs = pendingCloseMs): void {
    if (this.#closeSent || this.#pendingClose !== undefined) return
    if (this.#other.#reader.midFrame) {
      this.#pendingClose = frame
      this.#listener.destroyWithin(withinMs)
    } else {
      this.#writeClose(frame)
    }
  }

  #writeClose(frame: ControlFrame): void {
    this.#closeSent = true
    this.#write(encodeFrame(frame, this.#role === 'tenant'))
    // Nothing more is forwarded to this peer, but the other one's close frame is still to be read.
    this.#other.socket.resume()
    this.#endIfClosed()
  }

  #write(bytes: Buffer): void {
    this.socket.write(bytes)
    this.#listener.written(this.#role, bytes.length)
  }

  #disconnect(): void {
    if (this.#disconnected) return
    const to = this.#other
    this.#disconnected = this.#closeReceived = this.#closeSent = true
    this.#listener.closing(this.#role, 1006)
    this.socket.end()
    this.#listener.destroyWithin(closingHandshakeMs)
    // A frame that is forwarded in part will never be complete, so no close frame can follow it.
    if (this.#reader.midFrame && !to.#closeSent) to.socket.destroy()
    else to.sendClose(connectionLost[this.#role])
    to.#endIfClosed()
    to.socket.resume()
  }

  /** Ends the connection after both close frames, or after the proxy's own when the other peer is gone. */
  #endIfClosed(): void {
    if (this.#closeSent && (this.#closeReceived || this.#other.#disconnected)) this.socket.end()
  }
}

/** Time for the close frame in response; the peer may have much to read before it. */
const closingHandshakeMs = 10_000
/** Time for the end of a frame whose sender is lost or violated the protocol. */
const pendingCloseMs = 500

const heartbeatPing = encodeFrame({ opcode: opcodes.ping, payload: heartbeatPayload }, false)

/** Sent to the other peer when this one was lost or violated the protocol. */
const connectionLost: Readonly<Record<Role, ControlFrame>> = {
  tenant: tenantLost,
  browser: browserLost,
}

const endpoint = Symbol('endpoint of a tunnel')

/** Sockets refer to their endpoints, so that all of them share the listeners: closures would double an idle socket. */
type TunnelSocket = Duplex & { [endpoint]?: Endpoint }

const socketListeners: readonly [event: string, listener: (this: TunnelSocket, chunk: Buffer) => void][] = [
  ['data', onData],
  ['drain', onDrain],
  ['end', onEnd],
  ['timeout', onTimeout],
  ['close', onClose],
]

function onData(this: TunnelSocket, chunk: Buffer): void {
  this[endpoint]?.receive(chunk)
}
function onDrain(this: TunnelSocket): void {
  this[endpoint]?.drained()
}
function onEnd(this: TunnelSocket): void {
  this[endpoint]?.inputEnded()
}
function onTimeout(this: TunnelSocket): void {
  this.destroy()
}
function onClose(this: TunnelSocket): void {
  this[endpoint]?.socketClosed()
}
