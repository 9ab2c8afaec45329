import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import * as tls from 'node:tls'
import { buildConnector, errors } from 'undici'
import { httpTunnel } from './http-tunnel.ts'
import { type OpenConnection, type OutboundOptions, outboundSettings } from './outbound-options.ts'

/** The way to one tenant. */
export interface Outbound {
  /** Equal for ways that can share connections. */
  readonly key: string
  /** Whether connections are opened as Node does by itself: without a proxy, and with Node's own authorities. */
  readonly isDefault: boolean
  /**
   * Opens connections for undici and for Node's `http.request`.
   *
   * @param timeoutMs For TCP, the proxy's tunnel and TLS together.
   */
  connector(timeoutMs: number): buildConnector.connector
}

/**
 * @param tenant Origin of the tenant.
 * @throws ERR_CONFIGURATION
 */
export function outbound(options: OutboundOptions, tenant: string): Outbound {
  const { proxy, ca, connect } = outboundSettings(options, tenant)
  // Made once: reading all certificates takes several milliseconds.
  const secureContext = ca.length === 0 ? undefined : tls.createSecureContext({ ca: [...authoritiesOfNode(), ...ca] })
  const open = proxy === undefined ? connect : httpTunnel(proxy, secureContext)
  const settings = JSON.stringify([proxy?.href, ca, connect === undefined ? undefined : idOf(connect)])
  return {
    key: createHash('sha256').update(settings).digest('base64'),
    isDefault: open === undefined && secureContext === undefined,
    connector(timeoutMs) {
      const direct = buildConnector({ timeout: timeoutMs, ...(secureContext === undefined ? {} : { secureContext }) })
      return open === undefined ? direct : through(open, direct, timeoutMs)
    },
  }
}

/** Opens a connection with `open`, and starts TLS on it where the tenant's URL is https. */
function through(
  open: OpenConnection,
  startTls: buildConnector.connector,
  timeoutMs: number,
): buildConnector.connector {
  return (target, done) => {
    const timeout = new AbortController()
    let socket: Socket | undefined
    let ended = false
    const timer = setTimeout(() => {
      timeout.abort()
      // The opened connection is silent, or `open` does not heed its signal.
      setImmediate(() => fail(new errors.ConnectTimeoutError(`No connection to ${target.host} within ${timeoutMs} ms`)))
    }, timeoutMs)

    const end = (): boolean => {
      if (ended) return false
      clearTimeout(timer)
      ended = true
      return true
    }
    const fail = (error: Error): void => {
      if (!end()) return
      socket?.destroy()
      done(error, null)
    }
    const succeed = (connected: Socket): void => {
      if (end()) done(null, connected)
      else connected.destroy()
    }

    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80)
    Promise.resolve()
      .then(() => open({ hostname: target.hostname, port, signal: timeout.signal }))
      .then(opened => {
        if (ended) {
          opened.destroy()
          return
        }
        socket = opened
        if (target.protocol === 'https:')
          startTls({ ...target, httpSocket: opened }, (...[error, secured]) =>
            error === null ? succeed(secured) : fail(error),
          )
        else succeed(opened.setNoDelay(true))
      })
      .catch((error: unknown) => fail(error instanceof Error ? error : new Error('outbound.connect failed')))
  }
}

/** The option `ca` of Node replaces these. */
function authoritiesOfNode(): readonly string[] {
  const node: NodeTls = tls
  if (node.getCACertificates !== undefined) return node.getCACertificates('default')
  return [...node.rootCertificates, ...extraAuthorities(process.env.NODE_EXTRA_CA_CERTS)]
}

/** The function exists since Node 22.15. */
interface NodeTls {
  readonly rootCertificates: readonly string[]
  readonly getCACertificates?: (type: 'default') => string[]
}

/** Node ignores a file that it cannot read. */
function extraAuthorities(file: string | undefined): readonly string[] {
  if (file === undefined || file === '') return []
  try {
    return [readFileSync(file, 'utf8')]
  } catch {
    return []
  }
}

const ids = new WeakMap<OpenConnection, number>()
let lastId = 0

function idOf(connect: OpenConnection): number {
  const id = ids.get(connect) ?? ++lastId
  ids.set(connect, id)
  return id
}
