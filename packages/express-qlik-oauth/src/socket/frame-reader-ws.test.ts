import { isUtf8 } from 'node:buffer'
import type { Writable } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import * as ws from 'ws'
import { applyMask, heartbeatPayload, opcodes } from './frame.ts'
import { FrameReader } from './frame-reader.ts'

/*
 * The frame reader beside the parser of `ws`: both read the same bytes, and must find the same messages, pings, pongs
 * and close frames, and fail at the same frame with the same close code.
 */
describe('the frame reader and the parser of ws', () => {
  it('agree about any sequence of frames, valid or not, in any chunks', async () => {
    let violations = 0
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(frames, { minLength: 1, maxLength: 12 }),
        cuts,
        async (masked, list, sizes) => {
          const bytes = Buffer.concat(list.map(frame => encode(frame, masked)))
          const ours = readWithFrameReader(bytes, sizes, masked)
          expect(ours).toEqual(await readWithWs(bytes, sizes, masked))
          if (typeof ours.at(-1) === 'number') violations += 1
        },
      ),
      { numRuns: 1000 },
    )
    // Otherwise the frames are not hostile enough to tell parsers apart.
    expect(violations).toBeGreaterThan(100)
  })

  it('agree about any bytes at all', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        cuts,
        async (masked, array, sizes) => {
          // ws judges whole headers only, so the last one gets its end.
          const bytes = Buffer.concat([array, Buffer.alloc(200)])
          expect(readWithFrameReader(bytes, sizes, masked)).toEqual(await readWithWs(bytes, sizes, masked))
        },
      ),
      { numRuns: 1000 },
    )
  })
})

const maxMessageBytes = 1000

/** A message, a control frame, or the close code of a violation. */
type Found = string | number

async function readWithWs(bytes: Buffer, sizes: readonly number[], masked: boolean): Promise<Found[]> {
  const found: Found[] = []
  const receiver = wsReceiver({ isServer: masked, maxPayload: maxMessageBytes })
  for (const name of ['ping', 'pong'])
    receiver.on(name, (payload: Buffer) => found.push(`${name} ${payload.toString('hex')}`))
  receiver.on('message', (data: Buffer, isBinary: boolean) =>
    found.push(`${isBinary ? 'binary' : 'text'} ${data.toString('hex')}`),
  )
  receiver.on('conclude', (code: number, reason: Buffer) => found.push(`close ${code} ${reason.toString('hex')}`))
  const failed = new Promise<void>(resolve =>
    receiver.once('error', (error: Error) => {
      found.push(closeCode(error))
      resolve()
    }),
  )
  for (const chunk of chunks(bytes, sizes)) {
    await Promise.race([failed, new Promise(resolve => receiver.write(chunk, resolve))])
    if (receiver.errored !== null) break
  }
  // An error is emitted after the callback of the write.
  if (receiver.errored !== null) await failed
  receiver.destroy()
  return found
}

function readWithFrameReader(bytes: Buffer, sizes: readonly number[], masked: boolean): Found[] {
  const found: Found[] = []
  const assembler = messageAssembler(masked, found)
  const reader = new FrameReader(masked, { extensions: false, maxMessageBytes })
  for (const chunk of chunks(bytes, sizes)) {
    reader.read(chunk, {
      forward: assembler,
      isHeartbeatPong: () => false,
      close: (_bytes, payload) => {
        const code = payload.length === 0 ? 1005 : payload.readUInt16BE()
        found.push(`close ${code} ${payload.subarray(2).toString('hex')}`)
      },
      violation: code => found.push(code),
    })
  }
  // The endpoints, not the proxy, fail a text that is not UTF-8; they read nothing after it.
  const failed = found.findIndex(item => typeof item === 'string' && isInvalidText(item))
  return failed < 0 ? found : [...found.slice(0, failed), 1007]
}

function isInvalidText(item: string): boolean {
  return item.startsWith('text ') && !isUtf8(Buffer.from(item.slice('text '.length), 'hex'))
}

/** Decodes forwarded frames naively: they are valid, or ws will say otherwise. */
function messageAssembler(masked: boolean, found: Found[]): (bytes: Buffer) => void {
  let pending = Buffer.alloc(0)
  let message = Buffer.alloc(0)
  let kind = ''
  return bytes => {
    pending = Buffer.concat([pending, bytes])
    for (;;) {
      const [first, second] = pending
      if (first === undefined || second === undefined) return
      const short = second & 0x7f
      const header = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0)
      const keyBytes = masked ? 4 : 0
      if (pending.length < header + keyBytes) return
      const length =
        short === 127 ? Number(pending.readBigUInt64BE(2)) : short === 126 ? pending.readUInt16BE(2) : short
      const end = header + keyBytes + length
      if (pending.length < end) return
      const raw = pending.subarray(header + keyBytes, end)
      const payload = masked ? applyMask(raw, pending.subarray(header, header + 4)) : raw
      pending = pending.subarray(end)
      const opcode = first & 0x0f
      if (opcode === opcodes.ping) found.push(`ping ${payload.toString('hex')}`)
      else if (opcode === opcodes.pong) found.push(`pong ${payload.toString('hex')}`)
      else {
        if (opcode !== opcodes.continuation) {
          kind = opcode === opcodes.text ? 'text' : 'binary'
          message = Buffer.alloc(0)
        }
        message = Buffer.concat([message, payload])
        if (first & 0x80) found.push(`${kind} ${message.toString('hex')}`)
      }
    }
  }
}

/** `ws` exports its parser without types. */
function wsReceiver(options: { isServer: boolean; maxPayload: number }): Writable {
  const Receiver: unknown = Reflect.get(ws, 'Receiver')
  if (typeof Receiver !== 'function') throw new Error('This version of ws does not export its Receiver')
  return Reflect.construct(Receiver, [{ ...options, maxBufferedChunks: 0, maxFragments: 0 }]) as Writable
}

/** The close code that `ws` sends for an error of its parser. */
function closeCode(error: Error): number {
  const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === 'status-code')
  return symbol === undefined ? Number.NaN : Number(Reflect.get(error, symbol))
}

function* chunks(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

interface HostileFrame {
  readonly opcode: number
  readonly final: boolean
  readonly reserved: number
  readonly wrongMask: boolean
  /** Bytes of the length field: 1, 2 or 8, not always the fewest. */
  readonly lengthBytes: number
  readonly payload: Buffer
  /** The announced length, when it is not that of the payload. */
  readonly announced?: number
}

function encode(frame: HostileFrame, masked: boolean): Buffer {
  const isMasked = masked !== frame.wrongMask
  const length = frame.announced ?? frame.payload.length
  const lengthBytes = length > 0xffff ? 8 : length > 125 ? Math.max(frame.lengthBytes, 2) : frame.lengthBytes
  const header = Buffer.alloc(2 + (lengthBytes === 1 ? 0 : lengthBytes))
  header[0] = (frame.final ? 0x80 : 0) | (frame.reserved << 4) | frame.opcode
  header[1] = (isMasked ? 0x80 : 0) | (lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : length)
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(length), 2)
  if (lengthBytes === 2) header.writeUInt16BE(length, 2)
  const key = Buffer.of(0x12, 0x34, 0x56, 0x78)
  return Buffer.concat(isMasked ? [header, key, applyMask(frame.payload, key)] : [header, frame.payload])
}

const ascii = (maxLength: number) =>
  fc.array(fc.integer({ min: 32, max: 126 }), { maxLength }).map(codes => Buffer.from(codes))
const closePayload = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc
    .tuple(
      fc.constantFrom(1000, 1001, 1003, 1004, 1005, 1006, 1011, 1014, 1015, 999, 2999, 3000, 4006, 4999, 5000),
      ascii(20),
    )
    .map(([code, reason]) => Buffer.concat([Buffer.of(code >> 8, code & 0xff), reason])),
  fc.uint8Array({ maxLength: 6 }).map(array => Buffer.from(array)),
)
const plain = { final: true, reserved: 0, wrongMask: false, lengthBytes: 1 }
const length = fc.constantFrom(1, 1, 1, 2, 8)
const valid: fc.Arbitrary<HostileFrame> = fc.oneof(
  fc
    .record({ opcode: fc.constantFrom(1, 2), payload: ascii(200), lengthBytes: length })
    .map(frame => ({ ...plain, ...frame })),
  fc
    .record({ opcode: fc.constantFrom(9, 10), payload: fc.oneof(ascii(125), fc.constant(heartbeatPayload)) })
    .map(frame => ({ ...plain, ...frame })),
)
const fragment: fc.Arbitrary<HostileFrame> = fc
  .record({ opcode: fc.constantFrom(0, 0, 0, 1, 2), final: fc.boolean(), payload: ascii(400) })
  .map(frame => ({ ...plain, ...frame }))
const closing: fc.Arbitrary<HostileFrame> = closePayload.map(payload => ({ ...plain, opcode: opcodes.close, payload }))
const hostile: fc.Arbitrary<HostileFrame> = fc.record({
  opcode: fc.integer({ min: 0, max: 15 }),
  final: fc.boolean(),
  reserved: fc.constantFrom(0, 0, 0, 1, 2, 4, 7),
  wrongMask: fc.constantFrom(false, false, false, true),
  lengthBytes: length,
  payload: ascii(130),
})
const tooLong: fc.Arbitrary<HostileFrame> = fc
  .record({ opcode: fc.constantFrom(1, 2), announced: fc.constantFrom(1001, 65_536, 2 ** 40, Number.MAX_SAFE_INTEGER) })
  .map(frame => ({ ...plain, ...frame, lengthBytes: 8, payload: Buffer.alloc(0) }))
const frames = fc.oneof(
  { weight: 6, arbitrary: valid },
  { weight: 4, arbitrary: fragment },
  { weight: 1, arbitrary: closing },
  { weight: 1, arbitrary: hostile },
  { weight: 1, arbitrary: tooLong },
)
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 50, max: 2000 })), {
  minLength: 1,
  maxLength: 6,
})
