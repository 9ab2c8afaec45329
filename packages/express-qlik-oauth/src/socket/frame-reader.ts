import { isCloseCode, masking, opcodes } from './frame.ts'

/** What a chunk of a WebSocket connection holds, in order. All bytes of a chunk come back in its pieces or in those of a later chunk. */
export type Piece =
  | {
      readonly kind: 'data'
      readonly bytes: Buffer
      /** How many of these bytes end the frame that had begun before; `undefined` when they do not end it. Other frames go between there. */
      readonly boundary: number | undefined
    }
  | { readonly kind: 'control'; readonly opcode: number; readonly bytes: Buffer; readonly payload: Buffer }
  /** Nothing is read after this. `code` is what the sender is to be told. */
  | { readonly kind: 'violation'; readonly code: 1002 | 1009; readonly reason: string }

export interface FrameReader {
  read(chunk: Buffer): Piece[]
  /** Whether a data frame has been handed out in part, so that nothing of our own may go between. */
  readonly midFrame: boolean
}

export interface FrameReaderOptions {
  /** Whether the sender is a client: its frames are masked, those of a server are not. */
  readonly masked: boolean
  /** Whether an extension was agreed on, which gives a meaning to the reserved bits. */
  readonly extensions: boolean
  /** Bytes on the wire that the frames of one message may hold. */
  readonly maxMessageBytes: number
}

/**
 * Finds the frames in one direction of a WebSocket connection, whatever chunks they arrive in.
 *
 * Only headers and control frames, which are at most 131 bytes long, are ever kept; the payload of data frames passes as it comes, neither unmasked nor inflated.
 */
export function frameReader({ masked, extensions, maxMessageBytes }: FrameReaderOptions): FrameReader {
  let kept = nothing
  let payloadLeft = 0
  let messageBytes: number | undefined
  let broken = false

  function read(chunk: Buffer): Piece[] {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    kept = nothing
    const pieces: Piece[] = []
    let at = 0
    let runStart = 0
    let boundary = payloadLeft === 0 ? 0 : undefined

    function endRun(): void {
      if (at > runStart) pieces.push({ kind: 'data', bytes: bytes.subarray(runStart, at), boundary })
      boundary = 0
    }

    while (!broken) {
      if (payloadLeft > 0) {
        const step = Math.min(payloadLeft, bytes.length - at)
        at += step
        payloadLeft -= step
        if (payloadLeft > 0) break
        boundary ??= at
      }
      const header = headerAt(bytes, at)
      if (header === undefined) break

      const violation = complaint(header, bytes, at)
      if (violation !== undefined) {
        endRun()
        pieces.push(violation)
        broken = true
        return pieces
      }
      const end = at + header.size + header.length
      if (header.opcode < opcodes.close) {
        messageBytes = header.final ? undefined : (messageBytes ?? 0) + header.length
        payloadLeft = header.length
        at += header.size
        continue
      }
      if (end > bytes.length) break
      endRun()
      const frame = bytes.subarray(at, end)
      const sent = frame.subarray(header.size)
      const payload = masked ? masking(sent, frame.subarray(header.size - 4, header.size)) : sent
      const badClose = header.opcode === opcodes.close ? closeComplaint(payload) : undefined
      pieces.push(badClose ?? { kind: 'control', opcode: header.opcode, bytes: frame, payload })
      broken = header.opcode === opcodes.close
      at = runStart = end
    }

    endRun()
    // A copy, so that the few bytes do not keep the whole chunk in memory.
    if (!broken && at < bytes.length) kept = Buffer.from(bytes.subarray(at))
    return pieces
  }

  /** RFC 6455, sections 5.2, 5.4 and 5.5. */
  function complaint(header: Header, bytes: Buffer, at: number): Piece | undefined {
    const { final, opcode, length } = header
    const first = bytes[at] ?? 0
    if ((first & 0x70) !== 0 && !extensions) return protocolError('reserved bits without an extension')
    if ((((bytes[at + 1] ?? 0) & 0x80) === 0) === masked) return protocolError(masked ? 'frame without a mask' : 'frame with a mask')
    if (opcode >= opcodes.close) {
      if (opcode > opcodes.pong) return protocolError('unknown kind of frame')
      return final && length <= 125 ? undefined : protocolError('long or fragmented control frame')
    }
    if (opcode > opcodes.binary) return protocolError('unknown kind of frame')
    if ((opcode === opcodes.continuation) !== (messageBytes !== undefined)) return protocolError('message out of order')
    return (messageBytes ?? 0) + length > maxMessageBytes ? { kind: 'violation', code: 1009, reason: 'message too big' } : undefined
  }

  return {
    read,
    get midFrame() {
      return payloadLeft > 0
    },
  }
}

const nothing = Buffer.alloc(0)

interface Header {
  readonly final: boolean
  readonly opcode: number
  readonly size: number
  readonly length: number
}

/** The header that begins at `at`, when all of it is there. A length beyond what numbers hold exactly is too long in any case. */
function headerAt(bytes: Buffer, at: number): Header | undefined {
  const first = bytes[at]
  const second = bytes[at + 1]
  if (first === undefined || second === undefined) return undefined

  const short = second & 0x7f
  const lengthSize = short === 127 ? 8 : short === 126 ? 2 : 0
  const size = 2 + lengthSize + (second & 0x80 ? 4 : 0)
  if (bytes.length < at + size) return undefined

  const length = lengthSize === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : lengthSize === 2 ? bytes.readUInt16BE(at + 2) : short
  return { final: (first & 0x80) !== 0, opcode: first & 0x0f, size, length }
}

function closeComplaint(payload: Buffer): Piece | undefined {
  if (payload.length === 0 || (payload.length > 1 && isCloseCode(payload.readUInt16BE()))) return undefined
  return protocolError('close code that may not be sent')
}

function protocolError(reason: string): Piece {
  return { kind: 'violation', code: 1002, reason }
}
