import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { AnalyticsApp } from '../apps/analytics-app.ts'
import { closeCodes, serveConnection } from './connection.ts'
import { createSession, type Session } from './session.ts'
import { sessionApp, sessionAppPrefix } from './session-app.ts'

export interface EngineOptions {
  readonly apps: readonly AnalyticsApp[]
  /** Decides whether a user may open an app; a refusal closes the socket with 4203. @default everybody may */
  readonly mayOpen?: (user: EngineUser, app: AnalyticsApp) => boolean
  /**
   * Sessions kept in memory, with and without a socket. The one used longest ago without a socket goes first.
   *
   * @default 1000
   */
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

/**
 * A small associative engine behind Qlik's engine protocol: JSON-RPC 2.0 over WebSocket.
 *
 * Selections belong to a session, that is to a user, an app and an identity: two sockets of one session see the same
 * selections, and a socket that comes back finds them again. An unknown app closes the socket with 4204, one the user
 * may not open with 4203, a frame above 1 MiB with 1009.
 */
export function createEngine({ apps, mayOpen = () => true, maximumSessions = 1000 }: EngineOptions): Engine {
  const server = new WebSocketServer({ noServer: true, maxPayload: maximumFrameBytes, perMessageDeflate: false })
  const sessions = sessionCache(maximumSessions)

  return {
    accept(request, socket, head, { appId, user, identity = '' }) {
      server.handleUpgrade(request, socket, head, peer => {
        // `ws` reports a broken frame here and closes the socket itself.
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
          peer.close(closeCodes.goingAway, 'The engine stops')
          const timer = setTimeout(() => peer.terminate(), closeTimeoutMs)
          await closed
          clearTimeout(timer)
        }),
      )
    },
  }
}

const maximumFrameBytes = 1024 * 1024
/** How long a client may take to answer a close before its socket is cut. */
const closeTimeoutMs = 1000

function sessionCache(maximum: number) {
  // A Map keeps the order of insertion: the first is the one opened longest ago.
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
