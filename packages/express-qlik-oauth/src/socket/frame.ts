import { randomBytes } from 'node:crypto'

export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

/** A frame of our own, whole. RFC 6455, section 5.2. */
export type ControlFrame = { readonly opcode: number; readonly payload: Buffer }

/**
 * The frame that ends a connection. The reason is for whoever reads the browser's console: it names no host and no
 * value.
 */
export function closing(code: number, reason: string): ControlFrame {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return { opcode: opcodes.close, payload }
}

/**
 * The bytes of a control frame.
 *
 * @param masked Whether they go from a client to a server.
 */
export function frameBytes({ opcode, payload }: ControlFrame, masked: boolean): Buffer {
  if (!masked) return Buffer.concat([Buffer.of(0x80 | opcode, payload.length), payload])
  const key = randomBytes(4)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length), key, masking(payload, key)])
}

/** Masks, and takes the mask off again. */
export function masking(payload: Buffer, key: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (key[index % 4] ?? 0)))
}

/** What pings of our own carry, so that their answers are known from those to pings of the tenant. */
export const pingPayload = randomBytes(8)

/**
 * Tells whether a close code may travel in a frame: 1005, 1006 and 1015 are words for what a program saw, and are never
 * sent. RFC 6455, section 7.4.
 */
export function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}
