import { isUtf8 } from 'node:buffer'
import { isCloseCode, masking, opcodes, pingPayload } from './frame.ts'

/** Takes what a reader finds, in order. All bytes of a chunk are handed over at once or with a later chunk. */
export interface FrameSink {
  /**
   * Bytes of data frames, and the pings and pongs between them.
   *
   * @param boundary How many of these bytes end the frame that had begun before; `undefined` when they do not end it.
   * Other frames go between there.
   * @param inUse Whether anything of a data frame is among them.
   */
  pass(bytes: Buffer, boundary: number | undefined, inUse: boolean): void
  /** Whether a pong answers a ping of our own. Then it is left out. */
  isOurs(payload: Buffer): boolean
  /** A whole close frame. Nothing is read after it. */
  close(bytes: Buffer, payload: Buffer): void
  /** Nothing is read after this. `code` is what the sender is to be told. */
  violation(code: ViolationCode, reason: string): void
}

export type ViolationCode = 1002 | 1007 | 1009

/** What the frames of both directions must keep to. */
export interface FrameLimits {
  /** Whether an extension was agreed on, which gives a meaning to the reserved bits of data frames. */
  readonly extensions: boolean
  /** Bytes on the wire that the frames of one message may hold. */
  readonly maxMessageBytes: number
}

/**
 * Finds the frames in one direction of a WebSocket connection, whatever chunks they arrive in.
 *
 * Only headers and control frames, which are at most 131 bytes long, are ever kept; the payload of data frames passes
 * as it comes, neither unmasked nor inflated, and a chunk of whole frames passes as the very buffer it came in: a frame
 * costs no object and no write of its own.
 *
 * A class, against the habit of this house: each socket has two of them, and six closures for each were a quarter of
 * what an idle socket cost.
 */
export class FrameReader {
  /** Whether the sender is a client: its frames are masked, those of a server are not. */
  readonly #masked: boolean
  readonly #limits: FrameLimits
  /** The beginning of a header or a control frame. */
  #kept: Buffer | undefined
  #payloadLeft = 0
  /** Bytes of the message whose last frame has not come yet; -1 between messages. */
  #messageBytes = -1
  #over = false

  constructor(masked: boolean, limits: FrameLimits) {
    this.#masked = masked
    this.#limits = limits
  }

  /** Whether a data frame has been handed out in part, so that nothing of our own may go between. */
  get midFrame(): boolean {
    return this.#payloadLeft > 0
  }

  read(chunk: Buffer, sink: FrameSink): void {
    if (this.#over) return
    const bytes = this.#kept === undefined ? chunk : Buffer.concat([this.#kept, chunk])
    this.#kept = undefined
    let at = 0
    let runStart = 0
    let boundary = this.#payloadLeft === 0 ? 0 : undefined
    let inUse = false

    for (;;) {
      if (this.#payloadLeft > 0) {
        const step = Math.min(this.#payloadLeft, bytes.length - at)
        at += step
        this.#payloadLeft -= step
        inUse = true
        if (this.#payloadLeft > 0) break
        boundary ??= at
      }
      const size = headerSize(bytes, at)
      if (size === 0) break

      const opcode = (bytes[at] ?? 0) & 0x0f
      const length = payloadLength(bytes, at)
      const complaint = this.#complaint(bytes, at, length)
      if (complaint !== undefined) {
        this.#over = true
        if (at > runStart) sink.pass(bytes.subarray(runStart, at), boundary, inUse)
        sink.violation(complaint === tooBig ? 1009 : 1002, complaint)
        return
      }
      if (opcode < opcodes.close) {
        this.#messageBytes = isFinal(bytes, at) ? -1 : Math.max(this.#messageBytes, 0) + length
        this.#payloadLeft = length
        at += size
        inUse = true
        continue
      }
      const end = at + size + length
      if (end > bytes.length) break
      if (opcode === opcodes.close) {
        this.#over = true
        if (at > runStart) sink.pass(bytes.subarray(runStart, at), boundary, inUse)
        this.#close(bytes.subarray(at, end), size, sink)
        return
      }
      if (
        opcode === opcodes.pong &&
        length === pingPayload.length &&
        sink.isOurs(this.#payload(bytes, at, size, length))
      ) {
        if (at > runStart) sink.pass(bytes.subarray(runStart, at), boundary, inUse)
        boundary = 0
        inUse = false
        runStart = end
      }
      at = end
    }

    // A copy, so that the few bytes do not keep the whole chunk in memory.
    if (at < bytes.length) this.#kept = Buffer.from(bytes.subarray(at))
    if (at > runStart) sink.pass(at - runStart === bytes.length ? bytes : bytes.subarray(runStart, at), boundary, inUse)
  }

  #payload(bytes: Buffer, at: number, size: number, length: number): Buffer {
    const sent = bytes.subarray(at + size, at + size + length)
    return this.#masked ? masking(sent, bytes.subarray(at + size - 4, at + size)) : sent
  }

  #close(frame: Buffer, size: number, sink: FrameSink): void {
    const payload = this.#payload(frame, 0, size, frame.length - size)
    if (payload.length === 0) sink.close(frame, payload)
    else if (payload.length === 1 || !isCloseCode(payload.readUInt16BE()))
      sink.violation(1002, 'close code that may not be sent')
    else if (!isUtf8(payload.subarray(2))) sink.violation(1007, 'reason that is not UTF-8')
    else sink.close(frame, payload)
  }

  /** RFC 6455, sections 5.2, 5.4 and 5.5. */
  #complaint(bytes: Buffer, at: number, length: number): string | undefined {
    const first = bytes[at] ?? 0
    const opcode = first & 0x0f
    if ((((bytes[at + 1] ?? 0) & 0x80) !== 0) !== this.#masked)
      return this.#masked ? 'frame without a mask' : 'frame with a mask'
    if (opcode >= opcodes.close) {
      // What an extension makes of a control frame could not be read here. RFC 7692, section 6, makes nothing of them.
      if ((first & 0x70) !== 0) return reservedBits
      if (opcode > opcodes.pong) return unknownKind
      return isFinal(bytes, at) && length <= 125 ? undefined : 'long or fragmented control frame'
    }
    if ((first & 0x70) !== 0 && !this.#limits.extensions) return reservedBits
    if (opcode > opcodes.binary) return unknownKind
    if ((opcode === opcodes.continuation) !== this.#messageBytes >= 0) return 'message out of order'
    return Math.max(this.#messageBytes, 0) + length > this.#limits.maxMessageBytes ? tooBig : undefined
  }
}

const reservedBits = 'reserved bits without an extension'
const unknownKind = 'unknown kind of frame'
const tooBig = 'message too big'

function isFinal(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & 0x80) !== 0
}

/** Length of the header that begins at `at`; 0 while it is not all there. */
function headerSize(bytes: Buffer, at: number): number {
  const second = bytes[at + 1]
  if (second === undefined) return 0
  const short = second & 0x7f
  const size = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0) + (second & 0x80 ? 4 : 0)
  return bytes.length < at + size ? 0 : size
}

/** A length beyond what numbers hold exactly is too long in any case. */
function payloadLength(bytes: Buffer, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f
  if (short < 126) return short
  return short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
}
