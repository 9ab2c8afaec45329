import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher } from 'undici'

/** What is known of the connection that carries a request. */
export interface Connection {
  /** Requests sent on it so far, the current one among them. */
  requests: number
  /** How much of the answer to the current request has come. */
  answer: 'nothing' | 'interim' | 'final'
  /** The connection broke, and did not merely end. */
  broken: boolean
}

/** A handler that is told on which connection its request travels, before `onConnect`. */
export interface ConnectionHandler extends Dispatcher.DispatchHandler {
  connection: Connection
}

/**
 * undici's client for one connection, with two things that it does not do by itself: it reads past `100 Continue`,
 * which a client must accept even when it did not ask for it (RFC 9110, section 15.2), and it tells its handlers what
 * became of the connection.
 */
export class TenantConnection extends Client {
  readonly #connection: Connection

  constructor(origin: URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    const connection: Connection = { requests: 0, answer: 'nothing', broken: false }
    super(origin, {
      ...options,
      connect: (target, done) =>
        connect(target, (...[error, socket]) => {
          if (error !== null) return done(error, null)
          Object.assign(connection, { requests: 0, answer: 'nothing', broken: false })
          done(null, watched(socket, connection))
        }),
    })
    this.#connection = connection
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if ('connection' in handler) handler.connection = this.#connection
    return super.dispatch(options, handler)
  }
}

/** undici takes the bytes with `read`, one call after the other, so that is the place to look at them first. */
function watched(socket: Socket, connection: Connection): Socket {
  const read = socket.read.bind(socket)
  const withoutContinue = continueFilter(connection)
  socket.read = (size?: number) => {
    for (;;) {
      const chunk: Buffer | null = read(size)
      if (chunk === null || connection.answer === 'final') return chunk
      const rest = withoutContinue(chunk)
      if (rest.length > 0) return rest
    }
  }
  return socket.on('error', () => {
    connection.broken = true
  })
}

/**
 * Takes `100 Continue` from what comes before the final answer. Interim answers are held back until they are complete.
 */
function continueFilter(connection: Connection): (chunk: Buffer) => Buffer {
  let held = nothing

  return chunk => {
    if (held.length === 0 && chunk.length > statusAt && chunk[statusAt] !== one) {
      connection.answer = 'final'
      return chunk
    }

    connection.answer = 'interim'
    const passed: Buffer[] = []
    let rest = Buffer.concat([held, chunk])
    held = nothing
    while (beginsInterim.test(rest.toString('latin1', 0, statusAt + 3))) {
      const end = rest.indexOf(endOfHead)
      if (end === -1 && rest.length < longestInterim) {
        held = rest
        return Buffer.concat(passed)
      }
      if (end === -1) break
      const next = end + endOfHead.length
      if (rest.toString('latin1', statusAt, statusAt + 3) !== '100') passed.push(rest.subarray(0, next))
      rest = rest.subarray(next)
    }
    if (rest.length > 0) connection.answer = 'final'
    return Buffer.concat([...passed, rest])
  }
}

const statusAt = 'HTTP/1.1 '.length
const one = '1'.charCodeAt(0)
/** The whole beginning of an interim answer, or as much of it as has come. */
const beginsInterim = /^(?:H|HT|HTT|HTTP|HTTP\/|HTTP\/1|HTTP\/1\.|HTTP\/1\.[01]|HTTP\/1\.[01] (?:1\d{0,2})?)$/
const endOfHead = Buffer.from('\r\n\r\n')
const longestInterim = 16 * 1024
const nothing = Buffer.alloc(0)
