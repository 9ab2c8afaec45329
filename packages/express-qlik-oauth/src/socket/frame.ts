import { randomBytes } from 'node:crypto'

export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

/** A control frame. RFC 6455, section 5.5. */
export interface ControlFrame {
  readonly opcode: number
  readonly payload: Buffer
}

/** @param reason Shown in the browser's console: names no host and no received value. At most 123 bytes. */
export function closeFrame(code: number, reason = ''): ControlFrame {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return { opcode: opcodes.close, payload }
}

/**
 * The bytes of a control frame. RFC 6455, section 5.2.
 *
 * @param masked Whether the frame goes from a client to a server.
 */
export function encodeFrame({ opcode, payload }: ControlFrame, masked: boolean): Buffer {
  if (!masked) return Buffer.concat([Buffer.of(0x80 | opcode, payload.length), payload])
  const key = randomBytes(4)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length), key, applyMask(payload, key)])
}

/** Masks or unmasks a payload. RFC 6455, section 5.3. */
export function applyMask(payload: Buffer, key: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (key[index % 4] ?? 0)))
}

/** The payload of the proxy's own pings, which distinguishes their pongs from responses to the tenant's pings. */
export const heartbeatPayload = randomBytes(8)
