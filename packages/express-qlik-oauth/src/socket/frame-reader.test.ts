import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { isCloseCode } from './close-codes.ts'
import { closeFrame, encodeFrame, heartbeatPayload, opcodes } from './frame.ts'
import { FrameReader } from './frame-reader.ts'

describe('frame reader', () => {
  it('forwards every byte, in order, in chunks of any size', () => {
    fc.assert(
      fc.property(fc.boolean(), messages, cuts, (masked, frames, sizes) => {
        const bytes = Buffer.concat(frames.map(frame => encoded(frame, masked)))
        const pieces = readAll(reader({ masked }), bytes, sizes)
        expect(pieces.filter(piece => piece.kind === 'violation')).toEqual([])
        expect(Buffer.concat(pieces.map(bytesOf)).equals(bytes)).toBe(true)
      }),
    )
  })

  it('leaves out pongs to pings of the proxy and nothing else, in chunks of any size', () => {
    fc.assert(
      fc.property(fc.boolean(), messages, cuts, fc.nat(), (masked, frames, sizes, at) => {
        const whole = frames.map(frame => encoded(frame, masked))
        const answer = encoded({ opcode: opcodes.pong, final: true, payload: heartbeatPayload }, masked)
        const between = whole.toSpliced(at % (whole.length + 1), 0, answer)
        const pieces = readAll(reader({ masked }), Buffer.concat(between), sizes)
        expect(Buffer.concat(pieces.map(bytesOf)).equals(Buffer.concat(whole))).toBe(true)
      }),
    )
  })

  it('reports whether data arrived, or control frames only', () => {
    const uses = (hex: string) =>
      read(reader({}), Buffer.from(hex, 'hex')).map(piece => piece.kind === 'forward' && piece.hasData)
    expect(uses('89008a00')).toEqual([false])
    expect(uses('89008100')).toEqual([true])
    expect(uses('82050102')).toEqual([true])
    const frames = reader({})
    read(frames, Buffer.from('820501', 'hex'))
    expect(read(frames, Buffer.from('02030405', 'hex'))).toMatchObject([{ hasData: true }])
  })

  it('forwards a chunk full of pings as one piece', () => {
    const chunk = Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from('89020102', 'hex')))
    expect(read(reader({}), chunk)).toHaveLength(1)
  })

  it('knows after every chunk whether a frame may be inserted', () => {
    fc.assert(
      fc.property(fc.boolean(), messages, cuts, (masked, frames, sizes) => {
        const whole = frames.map(frame => encoded(frame, masked))
        const ends = new Set([0])
        for (const frame of whole) ends.add(Math.max(...ends) + frame.length)
        const frameEnds = reader({ masked })
        let passed = 0
        for (const chunk of chunks(Buffer.concat(whole), sizes)) {
          for (const piece of read(frameEnds, chunk)) {
            if (piece.kind === 'forward' && piece.frameEnd !== undefined)
              expect(ends).toContain(passed + piece.frameEnd)
            passed += bytesOf(piece).length
          }
          expect(frameEnds.midFrame).toBe(!ends.has(passed))
        }
      }),
    )
  })

  it('buffers nothing of a long payload', () => {
    const frames = reader({ masked: false })
    const [first, ...rest] = chunks(
      encoded({ opcode: 2, final: true, payload: Buffer.alloc(300_000) }, false),
      [65_536],
    )
    expect(read(frames, first ?? Buffer.alloc(0))[0]).toMatchObject({ kind: 'forward', bytes: { length: 65_536 } })
    for (const chunk of rest) expect(bytesOf(read(frames, chunk)[0] as Piece).buffer).toBe(chunk.buffer)
  })

  it.each([
    ['a frame without a mask from a client', true, '8100'],
    ['a frame with a mask from a server', false, '818000000000'],
    ['a first reserved bit', false, 'c100'],
    ['a second reserved bit', false, 'a100'],
    ['a third reserved bit', false, '9100'],
    ['reserved opcode 3', false, '8300'],
    ['reserved opcode 7', false, '8700'],
    ['reserved opcode 11', false, '8b00'],
    ['reserved opcode 15', false, '8f00'],
    ['a fragmented ping', false, '0900'],
    ['a ping of 126 bytes', false, '897e007e'],
    ['a continuation of nothing', false, '8001'],
    ['a message within a message', false, '01008100'],
    ['close code 1005', false, '880203ed'],
    ['close code 1006', false, '880203ee'],
    ['close code 1015', false, '880203f7'],
    ['close code 999', false, '880203e7'],
    ['close code 5000', false, '88021388'],
    ['half a close code', false, '880103'],
  ])('treats %s as a protocol error', (_title, masked, hex) => {
    expect(read(reader({ masked }), Buffer.from(hex, 'hex')).at(-1)).toMatchObject({ kind: 'violation', code: 1002 })
  })

  it.each([
    ['a reserved bit', true, 'c1'],
    ['all reserved bits', true, 'f1'],
    ['a reserved opcode', true, '83'],
    ['a reserved control opcode', true, '8f'],
    ['a fragmented ping', true, '09'],
    ['a reserved bit of a ping', true, 'c9'],
    ['a continuation of nothing', true, '80'],
    ['a missing mask bit', true, '8105'],
    ['a missing mask bit before a long length', true, '827f'],
    ['a mask bit from a server', false, '8185'],
    ['a ping of 126 bytes', true, '89fe'],
    ['a close frame of 2^16 bytes', false, '887f'],
  ])('fails %s at the first byte that shows it', (_title, masked, hex) => {
    const bytes = Buffer.from(hex, 'hex')
    const frames = reader({ masked })
    for (const byte of bytes.subarray(0, -1)) expect(read(frames, Buffer.of(byte))).toEqual([])
    expect(read(frames, bytes.subarray(-1))).toMatchObject([{ kind: 'violation', code: 1002 }])
  })

  it('fails a length above the limit as soon as its leading bytes exceed it', () => {
    const frames = reader({ masked: true, maxMessageBytes: 1000 })
    for (const hex of ['82', 'ff', '00', '00', '00', '00', '00'])
      expect(read(frames, Buffer.from(hex, 'hex'))).toEqual([])
    expect(read(frames, Buffer.of(1))).toMatchObject([{ kind: 'violation', code: 1009 }])
  })

  it('accepts reserved bits of data frames with an extension', () => {
    expect(read(reader({ extensions: true }), Buffer.from('c10161', 'hex'))).toMatchObject([{ kind: 'forward' }])
  })

  it.each(['c90161', 'a90161', 'c8020fa6'])(
    'accepts no reserved bits of control frames, even with an extension: %s',
    hex => {
      expect(read(reader({ extensions: true }), Buffer.from(hex, 'hex'))).toMatchObject([
        { kind: 'violation', code: 1002 },
      ])
    },
  )

  it.each(['880403e8c328', '880503e8eda080', '880403e8ff00'])(
    'fails a close reason that is not UTF-8 with 1007: %s',
    hex => {
      expect(read(reader({}), Buffer.from(hex, 'hex'))).toMatchObject([{ kind: 'violation', code: 1007 }])
    },
  )

  it('forwards a chunk of whole frames as the same buffer', () => {
    const chunk = Buffer.from('81016101026263800164', 'hex')
    expect(read(reader({}), chunk).map(bytesOf)).toEqual([chunk])
    expect(read(reader({}), chunk).map(bytesOf)[0]).toBe(chunk)
  })

  it.each([
    ['one frame', ['827f0000000000000401']],
    ['an absurd length', ['827fffffffffffffffff']],
    ['its fragments together', ['027e0300', '00'.repeat(768), '807e0101']],
  ])('fails a message above the limit with 1009 before any of the frame is forwarded: %s', (_title, hex) => {
    const pieces = readAll(reader({ maxMessageBytes: 1024 }), Buffer.from(hex.join(''), 'hex'), [64])
    expect(pieces.at(-1)).toMatchObject({ kind: 'violation', code: 1009 })
    expect(Buffer.concat(pieces.map(bytesOf)).length).toBe(hex.length === 1 ? 0 : 772)
  })

  it('reads nothing after a close frame or a violation', () => {
    for (const hex of ['880003e8', '8300', '8800']) {
      const frames = reader({})
      read(frames, Buffer.from(hex, 'hex'))
      expect(read(frames, Buffer.from('810161', 'hex'))).toEqual([])
    }
  })

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.uint8Array({ maxLength: 400 }),
        cuts,
        (masked, extensions, bytes, sizes) => {
          readAll(reader({ masked, extensions, maxMessageBytes: 300 }), Buffer.from(bytes), sizes)
        },
      ),
    )
  })
})

describe('control frame', () => {
  it('is read back by the reader of its peer', () => {
    for (const masked of [true, false]) {
      const frame = closeFrame(4006, 'the login has ended')
      expect(read(reader({ masked }), encodeFrame(frame, masked))).toMatchObject([
        { kind: 'close', payload: frame.payload },
      ])
    }
  })

  it('has a close code that may be sent', () => {
    expect([999, 1004, 1005, 1006, 1015, 1016, 2999, 5000].filter(isCloseCode)).toEqual([])
    expect([1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4006, 4999].every(isCloseCode)).toBe(true)
  })
})

interface Frame {
  readonly opcode: number
  readonly final: boolean
  readonly payload: Buffer
}

/** What a sink received. */
type Piece =
  | {
      readonly kind: 'forward'
      readonly bytes: Buffer
      readonly frameEnd: number | undefined
      readonly hasData: boolean
    }
  | { readonly kind: 'close'; readonly bytes: Buffer; readonly payload: Buffer }
  | { readonly kind: 'violation'; readonly code: number; readonly reason: string }

function reader(options: { masked?: boolean; extensions?: boolean; maxMessageBytes?: number }): FrameReader {
  const { masked = false, extensions = false, maxMessageBytes = 1e9 } = options
  return new FrameReader(masked, { extensions, maxMessageBytes })
}

function read(frames: FrameReader, chunk: Buffer): Piece[] {
  const pieces: Piece[] = []
  frames.read(chunk, {
    forward: (bytes, frameEnd, hasData) => pieces.push({ kind: 'forward', bytes, frameEnd, hasData }),
    isHeartbeatPong: payload => payload.equals(heartbeatPayload),
    close: (bytes, payload) => pieces.push({ kind: 'close', bytes, payload }),
    violation: (code, reason) => pieces.push({ kind: 'violation', code, reason }),
  })
  return pieces
}

function readAll(frames: FrameReader, bytes: Buffer, sizes: readonly number[]): Piece[] {
  return chunks(bytes, sizes).flatMap(chunk => read(frames, chunk))
}

/** Cuts bytes into chunks of these sizes, repeatedly. */
function chunks(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const result: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    result.push(bytes.subarray(at, at + size))
    at += size
  }
  return result
}

function bytesOf(piece: Piece): Buffer {
  return piece.kind === 'violation' ? Buffer.alloc(0) : piece.bytes
}

function encoded({ opcode, final, payload }: Frame, masked: boolean): Buffer {
  const { length } = payload
  const size = length > 65_535 ? 8 : length > 125 ? 2 : 0
  const header = Buffer.alloc(2 + size)
  header[0] = (final ? 0x80 : 0) | opcode
  header[1] = (masked ? 0x80 : 0) | (size === 8 ? 127 : size === 2 ? 126 : length)
  if (size === 8) header.writeBigUInt64BE(BigInt(length), 2)
  if (size === 2) header.writeUInt16BE(length, 2)
  const key = Buffer.of(0x12, 0x34, 0x56, 0x78)
  return Buffer.concat(
    masked ? [header, key, payload.map((byte, index) => byte ^ (key[index % 4] ?? 0))] : [header, payload],
  )
}

const payload = (maxLength: number) => fc.uint8Array({ maxLength }).map(bytes => Buffer.from(bytes))
const control = fc.record({
  opcode: fc.constantFrom(opcodes.ping, opcodes.pong),
  final: fc.constant(true),
  payload: payload(125),
})
const data = fc.oneof(
  { weight: 6, arbitrary: payload(300) },
  { weight: 1, arbitrary: fc.constantFrom(125, 126, 65_535, 65_536).map(length => Buffer.alloc(length, 7)) },
)

/** Messages in one or more fragments, with control frames between any two of them. */
const messages = fc
  .array(
    fc.tuple(
      fc.constantFrom(opcodes.text, opcodes.binary),
      fc.array(fc.tuple(data, fc.array(control, { maxLength: 2 })), { minLength: 1, maxLength: 4 }),
    ),
    {
      maxLength: 5,
    },
  )
  .map(list =>
    list.flatMap(([opcode, fragments]) =>
      fragments.flatMap(([bytes, controls], index): Frame[] => [
        { opcode: index === 0 ? opcode : opcodes.continuation, final: index === fragments.length - 1, payload: bytes },
        ...controls,
      ]),
    ),
  )
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 70_000 })), {
  minLength: 1,
  maxLength: 8,
})
