import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { type ControlFrame, closing, frameBytes, opcodes } from './frame.ts'
import { type FrameReader, frameReader, type Piece } from './frame-reader.ts'

export interface SpliceOptions {
  readonly browser: Duplex
  readonly tenant: Duplex
  /** Whether the two agreed on an extension. */
  readonly extensions: boolean
  readonly maxMessageBytes: number
  readonly pingMs: number
  /** The browser sent data: somebody is there. */
  readonly onActivity: () => void
}

/** Why a pair of connections ended: the first close code that was sent, and who sent it. */
export interface SpliceEnd {
  readonly by: 'browser' | 'tenant' | 'proxy'
  readonly code: number
}

export interface Splice {
  /** Resolves when both connections are closed; never rejects. */
  readonly closed: Promise<SpliceEnd>
  /** Hands over what a side sent before the connections were joined. */
  begin(early: { readonly browser: Buffer; readonly tenant: Buffer }): void
  /** Ends both connections with a close code each; what has not closed after `withinMs` is cut off. */
  close(toBrowser: ControlFrame, toTenant: ControlFrame, withinMs: number): void
}

/**
 * Joins two WebSocket connections whose handshake is done, byte for byte and with back-pressure.
 *
 * Messages pass as they are: fragmented, compressed or binary. Frames of our own go only between theirs: a close frame when one side is to be
 * told of an end, and a ping to a silent browser.
 */
export function splice(options: SpliceOptions): Splice {
  const { extensions, maxMessageBytes, onActivity } = options
  const browser = side('browser', options.browser, frameReader({ masked: true, extensions, maxMessageBytes }))
  const tenant = side('tenant', options.tenant, frameReader({ masked: false, extensions, maxMessageBytes }))
  let end: SpliceEnd | undefined
  let cut: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined
  let silentPeriods = 0
  let resolveClosed: (end: SpliceEnd) => void
  const closed = new Promise<SpliceEnd>(resolve => {
    resolveClosed = resolve
  })
  const pulse = setInterval(checkPulse, options.pingMs)
  join(browser, tenant)
  join(tenant, browser)

  function join(from: Side, to: Side): void {
    from.socket.on('data', (chunk: Buffer) => receive(from, to, chunk))
    from.socket.on('drain', () => {
      silentPeriods = 0
      to.socket.resume()
    })
    from.socket.on('end', () => left(from, to))
    from.socket.on('error', () => left(from, to))
    from.socket.on('close', () => {
      left(from, to)
      from.closed = true
      if (to.closed) finish()
    })
  }

  function receive(from: Side, to: Side, chunk: Buffer): void {
    if (from === browser) silentPeriods = 0
    for (const piece of from.reader.read(chunk)) {
      if (piece.kind === 'data') passData(piece, from, to)
      else if (piece.kind === 'violation') violated(piece, from, to)
      else if (piece.opcode === opcodes.close) passClose(piece, from, to)
      else if (!to.told && !isAnswerToOurPing(piece, from)) to.socket.write(piece.bytes)
    }
    if (!to.told && to.socket.writableNeedDrain) from.socket.pause()
  }

  function passData({ bytes, boundary }: Piece & { kind: 'data' }, from: Side, to: Side): void {
    if (to.told) return
    if (from === browser) onActivity()
    if (to.parting === undefined) {
      to.socket.write(bytes)
      return
    }
    to.socket.write(bytes.subarray(0, boundary))
    if (boundary !== undefined) part(to, to.parting)
  }

  function passClose({ bytes, payload }: Piece & { kind: 'control' }, from: Side, to: Side): void {
    end ??= { by: from.name, code: payload.length === 0 ? 1005 : payload.readUInt16BE() }
    from.said = true
    cutIn(handshakeMs)
    if (!to.told) {
      to.told = true
      to.socket.write(bytes)
    }
    settle(to)
    settle(from)
  }

  function violated({ code, reason }: Piece & { kind: 'violation' }, from: Side, to: Side): void {
    from.said = true
    end ??= { by: 'proxy', code }
    cutIn(handshakeMs)
    tell(from, to, closing(code, reason))
    tell(to, from, code === 1009 && to === browser ? closing(code, reason) : departed(from))
  }

  /** The connection of a side has ended, with or without a close frame. */
  function left(from: Side, to: Side): void {
    if (from.left) return
    from.left = true
    end ??= { by: from.name, code: 1006 }
    from.said = true
    from.told = true
    from.socket.end()
    cutIn(handshakeMs)
    // The frame that is under way will never be complete, so no other can follow it.
    if (from.reader.midFrame && !to.told) to.socket.destroy()
    else tell(to, from, departed(from))
    settle(to)
    to.socket.resume()
  }

  /** Sends a close frame, after the frame from the other side that is under way. */
  function tell(to: Side, from: Side, frame: ControlFrame): void {
    if (to.told || to.parting !== undefined) return
    if (from.reader.midFrame) {
      to.parting = frame
      cutIn(partingMs)
    } else {
      part(to, frame)
    }
  }

  function part(to: Side, frame: ControlFrame): void {
    to.told = true
    to.socket.write(frameBytes(frame, to === tenant))
    // Nothing is passed on any more, but the answer to this frame is still to be read.
    const from = to === browser ? tenant : browser
    from.socket.resume()
    settle(to)
  }

  /** Ends a connection on which both close frames have been sent, or ours when nobody is left to pass an answer on to. */
  function settle(to: Side): void {
    const from = to === browser ? tenant : browser
    if (to.told && (to.said || from.left)) to.socket.end()
  }

  function cutIn(withinMs: number): void {
    const at = performance.now() + withinMs
    if (cut !== undefined && cut.at <= at) return
    clearTimeout(cut?.timer)
    cut = { at, timer: setTimeout(cutOff, withinMs) }
  }

  function cutOff(): void {
    browser.socket.destroy()
    tenant.socket.destroy()
  }

  /**
   * Pings a browser from which nothing came for a whole period, and gives it up when nothing came in the next one either. A side that is sent
   * something and takes none of it counts as silent too, since nobody reads from the other one meanwhile.
   */
  function checkPulse(): void {
    silentPeriods += 1
    if (silentPeriods > 2) cutOff()
    else if (silentPeriods === 2 && !browser.told && browser.parting === undefined && !tenant.reader.midFrame) browser.socket.write(ourPing)
  }

  function finish(): void {
    clearInterval(pulse)
    clearTimeout(cut?.timer)
    resolveClosed(end ?? { by: 'proxy', code: 1006 })
  }

  return {
    closed,
    begin(early) {
      if (early.tenant.length > 0) receive(tenant, browser, early.tenant)
      if (early.browser.length > 0) receive(browser, tenant, early.browser)
    },
    close(toBrowser, toTenant, withinMs) {
      end ??= { by: 'proxy', code: toBrowser.payload.readUInt16BE() }
      cutIn(withinMs)
      tell(browser, tenant, toBrowser)
      tell(tenant, browser, toTenant)
    },
  }
}

/** How long a side may take to answer a close frame that the other one sent; it may have much to read before it gets there. */
const handshakeMs = 10_000
/** How long a frame that is under way may hold up a close frame of ours, and its answer. */
const partingMs = 500

const pingPayload = randomBytes(8)
const ourPing = frameBytes({ opcode: opcodes.ping, payload: pingPayload }, false)

interface Side {
  readonly name: 'browser' | 'tenant'
  readonly socket: Duplex
  /** Reads what this side sends. */
  readonly reader: FrameReader
  /** A close frame that waits until the frame on its way to this side has ended. */
  parting: ControlFrame | undefined
  /** This side was sent a close frame: nothing may follow it. */
  told: boolean
  /** This side sent its close frame: nothing of it is read any more. */
  said: boolean
  left: boolean
  closed: boolean
}

function side(name: Side['name'], socket: Duplex, reader: FrameReader): Side {
  return { name, socket, reader, parting: undefined, told: false, said: false, left: false, closed: false }
}

/** What the other one is told when a side went without a close frame, or was sent away. */
function departed({ name }: Side): ControlFrame {
  return name === 'tenant' ? closing(1011, 'the connection to the tenant ended') : closing(1001, 'the browser left')
}

function isAnswerToOurPing({ opcode, payload }: Piece & { kind: 'control' }, from: Side): boolean {
  return from.name === 'browser' && opcode === opcodes.pong && payload.equals(pingPayload)
}
