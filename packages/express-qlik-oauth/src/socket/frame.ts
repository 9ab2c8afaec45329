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

/** The payload of the proxy's own pings, which tells their pongs from those that answer the tenant's pings. */
export const heartbeatPayload = randomBytes(8)

/**
 * Whether a close code may be sent in a frame; 1005, 1006 and 1015 exist only in the API of an endpoint. RFC 6455,
 * section 7.4, and the IANA registry of close codes.
 */
export function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}
