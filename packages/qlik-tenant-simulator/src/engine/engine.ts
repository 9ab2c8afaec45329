import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { AnalyticsApp } from '../apps/analytics-app.ts'
import { closeCodes, serveConnection } from './connection.ts'
import { createSession, type Session } from './objects/session.ts'
import { sessionApp, sessionAppPrefix } from './objects/session-app.ts'

/** What an engine serves. */
export interface EngineOptions {
  readonly apps: readonly AnalyticsApp[]
  /** Whether a user can open an app; if not, the socket closes with 4203. @default always */
  readonly mayOpen?: (user: EngineUser, app: AnalyticsApp) => boolean
  /**
   * Sessions kept in memory. Beyond, the least recently used session without a socket is dropped.
   *
   * @default 1000
   */
  readonly maximumSessions?: number
}

/** The user of a socket. */
export interface EngineUser {
  readonly id: string
  readonly name: string
  /** Whether the user's token allows administering apps. @default false */
  readonly isAdmin?: boolean
}

/** The app and the session that a socket opens. */
export interface EngineContext {
  readonly appId: string
  readonly user: EngineUser
  /** `identity` of the path: separates sessions of one user in one app. */
  readonly identity?: string
}

/** A running engine. */
export interface Engine {
  /** Completes an authorized upgrade and serves the engine protocol on the socket. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, context: EngineContext): void
  /** Number of open sockets. */
  readonly openSockets: number
  /** Closes all sockets with 1001. Resolves when they are closed, within about a second. */
  close(): Promise<void>
}

/**
 * Creates a small associative engine that speaks Qlik's engine protocol: JSON-RPC 2.0 over WebSocket.
 *
 * Selections belong to a session of one user, app and identity. All sockets of a session share them, and a socket that
 * reconnects finds them again. A socket closes with 4204 for an unknown app, with 4203 for an app that the user cannot
 * open, and with 1009 for a frame above 1 MiB.
 */
export function createEngine({ apps, mayOpen = () => true, maximumSessions = 1000 }: EngineOptions): Engine {
  const server = new WebSocketServer({ noServer: true, maxPayload: maximumFrameBytes, perMessageDeflate: false })
  const sessions = sessionCache(maximumSessions)

  return {
    accept(request, socket, head, { appId, user, identity = '' }) {
      server.handleUpgrade(request, socket, head, peer => {
        // `ws` reports an invalid frame and closes the socket.
        peer.on('error', () => {})
        const app = appId.startsWith(sessionAppPrefix)
          ? sessionApp(appId, user.id)
          : apps.find(item => item.id === appId)
        if (!app) return peer.close(closeCodes.appNotFound, 'App not found')
        if (!mayOpen(user, app)) return peer.close(closeCodes.noPermission, 'No permission to open the app')

        const { session, isNew } = sessions.open(JSON.stringify([user.id, appId, identity]), app)
        serveConnection(peer, {
          session,
          user,
          isReattached: !isNew,
          apps: () => apps.filter(item => mayOpen(user, item)),
        })
      })
    },
    get openSockets() {
      return server.clients.size
    },
    async close() {
      await Promise.all(
        [...server.clients].map(async peer => {
          const closed = once(peer, 'close')
          peer.close(closeCodes.goingAway, 'The engine shuts down')
          const timer = setTimeout(() => peer.terminate(), closeTimeoutMs)
          await closed
          clearTimeout(timer)
        }),
      )
    },
  }
}

const maximumFrameBytes = 1024 * 1024
/** Time for a client to close before its socket is destroyed. */
const closeTimeoutMs = 1000

function sessionCache(maximum: number) {
  // Insertion order: the first entry is the least recently opened session.
  const sessions = new Map<string, Session>()
  return {
    open(key: string, app: AnalyticsApp): { readonly session: Session; readonly isNew: boolean } {
      const known = sessions.get(key)
      const session = known ?? createSession(app)
      sessions.delete(key)
      sessions.set(key, session)
      for (const [other, { listeners }] of sessions) {
        if (sessions.size <= maximum) break
        if (other !== key && listeners.size === 0) sessions.delete(other)
      }
      return { session, isNew: known === undefined }
    },
  }
}
