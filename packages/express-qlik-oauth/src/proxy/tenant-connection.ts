import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type buildConnector, Client, type Dispatcher } from 'undici'

/** The connection that carries a request. */
export interface Connection {
  /** Requests sent on it so far, the current one among them. */
  requests: number
  /** Whether the socket emitted an error. */
  broken: boolean
  socket: Socket | undefined
}

const unconnected: Connection = { requests: 0, broken: false, socket: undefined }

/** A request for undici; `connection` is set before `onRequestStart`. */
export class PooledRequest implements Dispatcher.DispatchOptions {
  readonly method: string
  readonly path: string
  readonly headers: string[]
  readonly body: Readable | null
  readonly headersTimeout: number
  /** Off: the exchange limits pauses of a body, except of event streams. */
  readonly bodyTimeout = 0
  connection: Connection = unconnected

  constructor(method: string, path: string, headers: string[], body: Readable | null, headersMs: number) {
    this.method = method
    this.path = path
    this.headers = headers
    this.body = body
    this.headersTimeout = headersMs
  }
}

/**
 * undici's client for one connection, which it makes known to each `PooledRequest`: undici does not report whether the
 * connection carried requests before, and treats a connection error as the end of a body without a length.
 */
export class TenantConnection extends Client {
  readonly #connection: Connection

  constructor(origin: URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    const connection: Connection = { requests: 0, broken: false, socket: undefined }
    super(origin, {
      ...options,
      connect: (target, done) =>
        connect(target, (...[error, socket]) => {
          if (error !== null) return done(error, null)
          Object.assign(connection, { requests: 0, broken: false, socket })
          socket.on('error', () => {
            connection.broken = true
          })
          done(null, socket)
        }),
    })
    this.#connection = connection
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (options instanceof PooledRequest) options.connection = this.#connection
    return super.dispatch(options, handler)
  }
}
