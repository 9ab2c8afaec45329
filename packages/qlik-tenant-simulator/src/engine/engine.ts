import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { AnalyticsApp } from '../apps/analytics-app.ts'

export interface EngineOptions {
  readonly apps: readonly AnalyticsApp[]
  /** Decides whether a user may open an app; a refusal closes the socket with 4203. @default everybody may */
  readonly mayOpen?: (user: EngineUser, app: AnalyticsApp) => boolean
  /** Sessions kept in memory, with and without a socket. The one used longest ago without a socket goes first. @default 1000 */
  readonly maximumSessions?: number
}

export interface EngineUser {
  readonly id: string
  readonly name: string
}

export interface EngineContext {
  readonly appId: string
  readonly user: EngineUser
  /** Separates sessions of one user in one app, as `/identity/{id}` does in the path. */
  readonly identity?: string
}

export interface Engine {
  /** Completes an upgrade that has been authorized already, and serves the engine protocol on it. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, context: EngineContext): void
  readonly openSockets: number
  /** Closes every socket with 1001 and resolves once all are gone. */
  close(): Promise<void>
}

/** A small associative engine behind Qlik's engine protocol: JSON-RPC 2.0 over WebSocket. */
export function createEngine(options: EngineOptions): Engine {
  const server = new WebSocketServer({ noServer: true })
  return {
    accept(request, socket, head, context) {
      server.handleUpgrade(request, socket, head, peer => {
        peer.on('error', () => {})
        peer.close(options.apps.some(app => app.id === context.appId) ? 4220 : 4204)
      })
    },
    get openSockets() {
      return server.clients.size
    },
    close: async () => {
      for (const peer of server.clients) peer.terminate()
    },
  }
}
