import type { IncomingMessage } from 'node:http'
import type { TrustProxy } from '../http/clients/client-address.ts'
import type { Authenticate } from '../http/clients/principal.ts'
import { rejectUnknownOptions, timerSeconds, wholeNumber } from '../http/options/option-checks.ts'
import { type ProxySettings, proxySettings, type SharedProxyOption } from '../http/proxy-options.ts'
import type { SocketTraffic, TunnelEnd } from './tunnel.ts'

export interface SocketProxyOptions {
  /** Returns the principal of an upgrade request. */
  readonly authenticate: Authenticate
  /** Origin at which browsers see this application; the `Origin` of an upgrade must equal it. */
  readonly publicUrl: string
  /** @default '/qlik' */
  readonly mount?: string
  /** Time for login store, token endpoint and tenant together to open a socket. @default 15000 */
  readonly handshakeTimeoutMs?: number
  /**
   * A browser that is silent for this long, or up to twice as long, is pinged; one that sends no pong within this time
   * is disconnected. A browser that is still reading what was sent before the ping gets more time.
   *
   * @default 25
   */
  readonly pingSeconds?: number
  /** Bytes of one message on the wire, in either direction. Messages are not held in memory. @default 134217728 */
  readonly maxMessageBytes?: number
  /** Open sockets of all users in this process; further upgrades get 503. @default 10000 */
  readonly maxSockets?: number
  /**
   * Sockets of one login in this process, open or in their handshake; further upgrades get 429. A page needs one per
   * app that it shows. Principals without an `id` are counted by client network.
   *
   * @default 100
   */
  readonly maxSocketsPerLogin?: number
  /** Upgrades of one login within a minute in this process; further ones get 429. @default 300 */
  readonly maxUpgradesPerMinute?: number
  /**
   * Trusted proxies in front of the application, as in Express's "trust proxy". Limits are counted by client address
   * for principals without an `id`.
   *
   * @default false
   */
  readonly trustProxy?: TrustProxy
  /** Called for every socket that opens, closes or is refused, as the event `socket` is raised. */
  readonly onEvent?: (event: SocketEvent) => void
}

/** Limits and timeouts of the WebSocket proxy. */
export type SocketOptions = Omit<Partial<SocketProxyOptions>, SharedProxyOption>

/** What happened to a socket. Contains no secret. */
export type SocketEvent =
  | ({ readonly type: 'opened' } & SocketIdentity)
  | ({ readonly type: 'closed'; readonly durationMs: number } & SocketIdentity & TunnelEnd & SocketTraffic)
  | SocketRefused

/** What a socket is known by, from its upgrade to its end. */
export interface SocketIdentity {
  readonly appId: string
  /** `id` of the principal. */
  readonly login?: string
  /** `user` of the principal. */
  readonly user?: string
  /** Address of the client, as `trustProxy` determines it. */
  readonly address?: string
  /** Trace id of the upgrade request. */
  readonly traceId: string
}

/** Receives what happens to sockets, apart from the option `onEvent`. */
export interface SocketObserver {
  /** @param request The upgrade request; missing when the socket closes. */
  socket(event: SocketEvent, request?: IncomingMessage): void
  /** The configuration contradicts the sockets that open. */
  warn(message: string): void
}

/** An upgrade that got an error response. */
export interface SocketRefused {
  readonly type: 'refused'
  /** Code of the QlikOAuthError; `ERR_INTERNAL` for other errors. */
  readonly code: string
  readonly status: number
  /** Without the query. */
  readonly path: string
  /** The one in the response. */
  readonly traceId: string
  readonly message: string
}

/** Checked options, with every default filled in. */
export interface SocketProxySettings extends ProxySettings<SocketEvent> {
  readonly handshakeTimeoutMs: number
  readonly heartbeatMs: number
  readonly maxMessageBytes: number
  readonly maxSockets: number
  readonly maxSocketsPerLogin: number
  readonly maxUpgradesPerMinute: number
}

/** Every option; those with a number are limits and timeouts with their defaults. */
const defaults = {
  authenticate: undefined,
  publicUrl: undefined,
  mount: undefined,
  handshakeTimeoutMs: 15_000,
  pingSeconds: 25,
  maxMessageBytes: 134_217_728,
  maxSockets: 10_000,
  maxSocketsPerLogin: 100,
  maxUpgradesPerMinute: 300,
  trustProxy: undefined,
  onEvent: undefined,
} satisfies Record<keyof SocketProxyOptions, number | undefined>

const optionNames = Object.keys(defaults)

/** @throws ERR_CONFIGURATION */
export function socketProxySettings(options: SocketProxyOptions): SocketProxySettings {
  rejectUnknownOptions('sockets', options, optionNames)
  const count = (name: WholeNumberOption): number => wholeNumber(name, options[name], defaults[name])
  return {
    ...proxySettings(options),
    handshakeTimeoutMs: count('handshakeTimeoutMs'),
    heartbeatMs: timerSeconds('pingSeconds', options.pingSeconds, defaults.pingSeconds) * 1000,
    maxMessageBytes: count('maxMessageBytes'),
    maxSockets: count('maxSockets'),
    maxSocketsPerLogin: count('maxSocketsPerLogin'),
    maxUpgradesPerMinute: count('maxUpgradesPerMinute'),
  }
}

type WholeNumberOption =
  | 'handshakeTimeoutMs'
  | 'maxMessageBytes'
  | 'maxSockets'
  | 'maxSocketsPerLogin'
  | 'maxUpgradesPerMinute'
