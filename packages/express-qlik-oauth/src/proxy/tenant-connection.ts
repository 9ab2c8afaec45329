import type { Readable } from 'node:stream'
import { type buildConnector, Client, type Dispatcher } from 'undici'

/** What is known of the connection that carries a request. */
export interface Connection {
  /** Requests sent on it so far, the current one among them. */
  requests: number
  /** The connection failed, and did not merely end. */
  broken: boolean
}

const unconnected: Connection = { requests: 0, broken: false }

/** A request for undici, which learns on which connection it travels before `onRequestStart`. */
export class PooledRequest implements Dispatcher.DispatchOptions {
  readonly method: string
  readonly path: string
  readonly headers: string[]
  readonly body: Readable | null
  readonly headersTimeout: number
  /** Not limited here: whether a body may be silent depends on its type, which comes with the response. */
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
 * undici's client for one connection. It tells a `PooledRequest` whether its connection has carried requests before,
 * and whether it failed: undici takes a connection that fails for the end of a body without a length.
 */
export class TenantConnection extends Client {
  readonly #connection: Connection

  constructor(origin: URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    const connection: Connection = { requests: 0, broken: false }
    super(origin, {
      ...options,
      connect: (target, done) =>
        connect(target, (...[error, socket]) => {
          if (error !== null) return done(error, null)
          Object.assign(connection, { requests: 0, broken: false })
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
