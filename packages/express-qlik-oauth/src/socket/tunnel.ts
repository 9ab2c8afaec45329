import type { Duplex } from 'node:stream'
import { Endpoint, type EndpointListener, type Role } from './endpoint.ts'
import type { ControlFrame } from './frame.ts'
import type { FrameLimits } from './frame-reader.ts'
import type { HeartbeatMember } from './heartbeat.ts'

export interface TunnelOptions {
  readonly browser: Duplex
  readonly tenant: Duplex
  readonly limits: FrameLimits
  /** The time between two calls of `tick`. */
  readonly heartbeatMs: number
  /**
   * How long writes to a peer may stall, in milliseconds. The kernel reports progress of a slow reader only when a
   * third of its send buffer, up to a megabyte, is free again.
   */
  readonly stallMs: number
  readonly listener: TunnelListener
}

export interface TunnelListener {
  /** The browser sent data. */
  active(): void
  /** Both connections are closed. Called once. */
  closed(end: TunnelEnd, traffic: SocketTraffic): void
}

/** The first close code of a tunnel and its sender: 1005 is a close frame without a code, 1006 no close frame. */
export interface TunnelEnd {
  readonly by: Role | 'proxy'
  readonly code: number
}

/** What each peer has sent: data messages, and bytes with the framing. */
export interface SocketTraffic {
  readonly browserMessages: number
  readonly browserBytes: number
  readonly tenantMessages: number
  readonly tenantBytes: number
}

/**
 * Joins two WebSocket connections after their opening handshakes, byte for byte and with back-pressure.
 *
 * Frames pass unchanged: fragmented, compressed, binary. Between them the proxy inserts two of its own: a close frame
 * when the other side ends, and a ping to a silent browser.
 */
export class Tunnel implements HeartbeatMember, EndpointListener {
  readonly #browser: Endpoint
  readonly #tenant: Endpoint
  readonly #listener: TunnelListener
  readonly #bytesPerTick: number
  #end: TunnelEnd | undefined
  #destroyTimer: NodeJS.Timeout | undefined
  #destroyAt = 0
  /** Ticks since the last data of the browser. */
  #silentTicks = 0
  /** Bytes written to the browser since then. */
  #unconfirmedBytes = 0
  #pinged = false
  /** The tenant sent bytes since the last tick. */
  #tenantSent = false

  constructor({ browser, tenant, limits, heartbeatMs, stallMs, listener }: TunnelOptions) {
    this.#listener = listener
    this.#bytesPerTick = Math.ceil((slowestBytesPerSecond * heartbeatMs) / 1000)
    this.#browser = new Endpoint(browser, 'browser', limits, stallMs, this)
    this.#tenant = new Endpoint(tenant, 'tenant', limits, stallMs, this)
    this.#browser.connect(this.#tenant)
    this.#tenant.connect(this.#browser)
  }

  /** @param early What each peer sent before its connection was handed over. */
  start(early: { readonly browser: Buffer; readonly tenant: Buffer }): void {
    if (early.tenant.length > 0) this.#tenant.receive(early.tenant)
    if (early.browser.length > 0) this.#browser.receive(early.browser)
  }

  /** Begins the closing handshake with both peers. Connections that are open after `withinMs` are destroyed. */
  close(toBrowser: ControlFrame, toTenant: ControlFrame, withinMs: number): void {
    if (this.#isClosed) return
    this.closing('proxy', toBrowser.payload.readUInt16BE())
    this.destroyWithin(withinMs)
    this.#browser.sendClose(toBrowser, withinMs)
    this.#tenant.sendClose(toTenant, withinMs)
  }

  /**
   * Pings a browser that was silent for a whole period, and destroys the tunnel when it stays silent for another one.
   *
   * A slow browser reads the ping after everything that was written before it, and gets the time for this at
   * `slowestBytesPerSecond`.
   */
  tick(): void {
    // No data is read from a paused browser; the stalled endpoint of the tenant has its own timeout.
    if (this.#browser.socket.isPaused()) return
    // No ping may be inserted into a frame of the tenant; while it arrives, its bytes count as activity.
    if (this.#tenant.midFrame && this.#tenantSent) this.#silentTicks = 0
    this.#tenantSent = false
    this.#silentTicks += 1
    if (this.#silentTicks > 2 + this.#unconfirmedBytes / this.#bytesPerTick) this.#destroy()
    else if (this.#silentTicks > 1 && !this.#pinged && !this.#tenant.midFrame) {
      this.#pinged = true
      this.#browser.ping()
    }
  }

  received(role: Role): void {
    if (role === 'browser') this.#heard()
    else this.#tenantSent = true
  }

  written(role: Role, bytes: number): void {
    if (role === 'browser') this.#unconfirmedBytes += bytes
  }

  drained(): void {
    this.#silentTicks = 0
  }

  dataReceived(role: Role): void {
    if (role === 'browser') this.#listener.active()
  }

  closing(by: TunnelEnd['by'], code: number): void {
    this.#end ??= { by, code }
  }

  destroyWithin(ms: number): void {
    const at = performance.now() + ms
    if (this.#destroyTimer !== undefined && this.#destroyAt <= at) return
    clearTimeout(this.#destroyTimer)
    this.#destroyAt = at
    this.#destroyTimer = setTimeout(() => this.#destroy(), ms)
  }

  closed(): void {
    if (!this.#isClosed) return
    clearTimeout(this.#destroyTimer)
    const [browser, tenant] = [this.#browser.sent, this.#tenant.sent]
    this.#listener.closed(this.#end ?? { by: 'proxy', code: 1006 }, {
      browserMessages: browser.messages,
      browserBytes: browser.bytes,
      tenantMessages: tenant.messages,
      tenantBytes: tenant.bytes,
    })
  }

  get #isClosed(): boolean {
    return this.#browser.isClosed && this.#tenant.isClosed
  }

  #heard(): void {
    this.#silentTicks = 0
    this.#unconfirmedBytes = 0
    this.#pinged = false
  }

  #destroy(): void {
    this.closing('proxy', 1006)
    this.#browser.socket.destroy()
    this.#tenant.socket.destroy()
  }
}

/** A browser that reads more slowly is disconnected. */
const slowestBytesPerSecond = 1024
