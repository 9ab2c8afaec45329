import { isUtf8 } from 'node:buffer'
import { isCloseCode, type ViolationCode } from './close-codes.ts'
import { applyMask, heartbeatPayload, opcodes } from './frame.ts'

/** Receives the frames that a reader finds, in order. */
export interface FrameSink {
  /**
   * Bytes of data frames, and of the pings and pongs between them.
   *
   * @param frameEnd How many of these bytes complete the frame that an earlier chunk began; other frames may be
   * inserted after them. `undefined` when the frame continues after these bytes.
   * @param hasData Whether any of the bytes belong to a data frame.
   */
  forward(bytes: Buffer, frameEnd: number | undefined, hasData: boolean): void
  /** Whether a pong is the response to a ping of the proxy. Such a pong is not forwarded. */
  isHeartbeatPong(payload: Buffer): boolean
  /** A whole close frame. Nothing is read after it. */
  close(bytes: Buffer, payload: Buffer): void
  /**
   * A violation of the protocol. Nothing is read after it.
   *
   * @param code The close code for the sender.
   */
  violation(code: ViolationCode, reason: string): void
}

export interface FrameLimits {
  /** Whether an extension was negotiated, which gives a meaning to the reserved bits of data frames. */
  readonly extensions: boolean
  /** Payload bytes on the wire of all frames of one message. */
  readonly maxMessageBytes: number
}

/**
 * Finds the frames in one direction of a WebSocket connection, in chunks of any size.
 *
 * Buffers only partial headers and control frames, at most 131 bytes. Payloads of data frames are forwarded as they
 * arrive, masked and compressed as they are, and a chunk of whole frames is forwarded as the same buffer. A violation
 * is reported at the first byte that shows it, so a sender cannot hold a connection with half a header.
 */
export class FrameReader {
  /** Frames of a client are masked, those of a server are not. RFC 6455, section 5.1. */
  readonly #masked: boolean
  readonly #limits: FrameLimits
  /** A partial header or control frame. */
  #partial: Buffer | undefined
  #payloadLeft = 0
  /** Payload bytes of the current fragmented message; -1 between messages. */
  #messageBytes = -1
  #finished = false
  /** Data messages whose last frame has begun. */
  messages = 0

  constructor(masked: boolean, limits: FrameLimits) {
    this.#masked = masked
    this.#limits = limits
  }

  /** Whether part of a data frame was forwarded, so that no other frame may be inserted. */
  get midFrame(): boolean {
    return this.#payloadLeft > 0
  }

  read(chunk: Buffer, sink: FrameSink): void {
    if (this.#finished) return
    const bytes = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk])
    this.#partial = undefined
    let at = 0
    let forwardFrom = 0
    let frameEnd = this.#payloadLeft === 0 ? 0 : undefined
    let hasData = false

    for (;;) {
      if (this.#payloadLeft > 0) {
        const step = Math.min(this.#payloadLeft, bytes.length - at)
        at += step
        this.#payloadLeft -= step
        hasData = true
        if (this.#payloadLeft > 0) break
        frameEnd ??= at
      }
      if (at === bytes.length) break

      const violation = this.#violation(bytes, at)
      if (violation !== undefined) {
        this.#finished = true
        if (at > forwardFrom) sink.forward(bytes.subarray(forwardFrom, at), frameEnd, hasData)
        sink.violation(violation === tooBig ? 1009 : 1002, violation)
        return
      }
      const headerBytes = headerLength(bytes, at)
      if (headerBytes === undefined) break

      const opcode = (bytes[at] ?? 0) & 0x0f
      const length = payloadLength(bytes, at)
      if (opcode < opcodes.close) {
        const isLast = isFinal(bytes, at)
        if (isLast) this.messages += 1
        this.#messageBytes = isLast ? -1 : Math.max(this.#messageBytes, 0) + length
        this.#payloadLeft = length
        at += headerBytes
        hasData = true
        continue
      }
      const end = at + headerBytes + length
      if (end > bytes.length) break
      if (opcode === opcodes.close) {
        this.#finished = true
        if (at > forwardFrom) sink.forward(bytes.subarray(forwardFrom, at), frameEnd, hasData)
        this.#close(bytes.subarray(at, end), headerBytes, sink)
        return
      }
      if (
        opcode === opcodes.pong &&
        length === heartbeatPayload.length &&
        sink.isHeartbeatPong(this.#payload(bytes.subarray(at, end), headerBytes))
      ) {
        if (at > forwardFrom) sink.forward(bytes.subarray(forwardFrom, at), frameEnd, hasData)
        frameEnd = 0
        hasData = false
        forwardFrom = end
      }
      at = end
    }

    // A copy, so that a few bytes do not keep the whole chunk in memory.
    if (at < bytes.length) this.#partial = Buffer.from(bytes.subarray(at))
    if (at > forwardFrom) {
      const whole = at - forwardFrom === bytes.length
      sink.forward(whole ? bytes : bytes.subarray(forwardFrom, at), frameEnd, hasData)
    }
  }

  #close(frame: Buffer, headerBytes: number, sink: FrameSink): void {
    const payload = this.#payload(frame, headerBytes)
    if (payload.length === 0) sink.close(frame, payload)
    else if (payload.length === 1 || !isCloseCode(payload.readUInt16BE())) sink.violation(1002, 'invalid close code')
    else if (!isUtf8(payload.subarray(2))) sink.violation(1007, 'close reason is not UTF-8')
    else sink.close(frame, payload)
  }

  #payload(frame: Buffer, headerBytes: number): Buffer {
    const payload = frame.subarray(headerBytes)
    return this.#masked ? applyMask(payload, frame.subarray(headerBytes - 4, headerBytes)) : payload
  }

  /** Validates the received part of a header, at least its first byte. RFC 6455, sections 5.1, 5.2, 5.4 and 5.5. */
  #violation(bytes: Buffer, at: number): string | undefined {
    const first = bytes[at] ?? 0
    const opcode = first & 0x0f
    const isControl = opcode >= opcodes.close
    if (opcode > opcodes.pong || (opcode > opcodes.binary && !isControl)) return 'unknown opcode'
    // No registered extension uses reserved bits of control frames. RFC 7692, section 6.
    if ((first & 0x70) !== 0 && (isControl || !this.#limits.extensions)) return 'reserved bits without an extension'
    if (isControl && !isFinal(bytes, at)) return 'fragmented control frame'
    if (!isControl && (opcode === opcodes.continuation) !== this.#messageBytes >= 0) return 'message out of order'

    const second = bytes[at + 1]
    if (second === undefined) return undefined
    if (((second & 0x80) !== 0) !== this.#masked) return this.#masked ? 'unmasked frame' : 'masked frame'
    if (isControl) return (second & 0x7f) > 125 ? 'control frame longer than 125 bytes' : undefined
    return Math.max(this.#messageBytes, 0) + payloadLength(bytes, at) > this.#limits.maxMessageBytes
      ? tooBig
      : undefined
  }
}

const tooBig = 'message too big'

function isFinal(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & 0x80) !== 0
}

/** `undefined` while the header is incomplete. */
function headerLength(bytes: Buffer, at: number): number | undefined {
  const second = bytes[at + 1]
  if (second === undefined) return undefined
  const length = 2 + extendedLengthBytes(second) + (second & 0x80 ? 4 : 0)
  return bytes.length < at + length ? undefined : length
}

/** The least that a partial header announces; the payload length of a whole one. */
function payloadLength(bytes: Buffer, at: number): number {
  const second = bytes[at + 1] ?? 0
  const extended = extendedLengthBytes(second)
  if (extended === 0) return second & 0x7f
  let length = 0
  for (let index = 0; index < extended; index += 1) length = length * 256 + (bytes[at + 2 + index] ?? 0)
  return length
}

function extendedLengthBytes(second: number): number {
  const short = second & 0x7f
  return short === 127 ? 8 : short === 126 ? 2 : 0
}
