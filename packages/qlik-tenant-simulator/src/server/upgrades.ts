import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type FaultScript, injectUpgradeFault } from '../controls/faults.ts'
import type { RequestLog } from '../controls/request-log.ts'
import type { Engine } from '../engine/engine.ts'
import { isOwnHost, targetUrl } from '../http/own-host.ts'
import { QlikError } from '../http/qlik-error.ts'
import { readScopes } from '../rest/apps.ts'
import { authenticate } from '../rest/authentication.ts'
import { isAdmin, requireScope } from '../rest/call.ts'
import type { TenantState } from '../tenant/state.ts'

/**
 * Handles WebSocket upgrades: authenticates `/app/{id}[/identity/{identity}][/ttl/{seconds}]` and passes the socket to
 * the engine.
 */
export async function handleUpgrade(
  {
    state,
    log,
    faults,
    engine,
    onAuthenticated,
  }: {
    state: TenantState
    log: RequestLog
    faults: FaultScript
    engine: Engine
    /** Called with the family of the token that opens the socket. */
    onAuthenticated: (tokenFamily: string, socket: Duplex) => void
  },
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy())
  const fault = faults.take(log.add(request, true))
  if (fault !== undefined && (await injectUpgradeFault(fault, socket))) return
  try {
    const url = targetUrl(state, request)
    const [, appId, identity] =
      /^\/app\/([^/]+)(?:\/identity\/([^/]+))?(?:\/ttl\/\d+)?$/.exec(url?.pathname ?? '') ?? []
    if (!isOwnHost(state, request))
      throw new QlikError(421, 'HTTP-421', 'Misdirected request', 'Host does not name this tenant')
    if (!state.active()) throw new QlikError(403, 'TENANTS-9', 'Tenant is deactivated')
    if (url === undefined || appId === undefined) throw new QlikError(404, 'HTTP-404', 'Not found')
    const { user, token } = authenticate(state, { request, url }, 'websocket')
    requireScope(token, readScopes)
    onAuthenticated(token.family, socket)
    engine.accept(request, socket, head, {
      appId: decodeURIComponent(appId),
      user: { id: user.id, name: user.name, isAdmin: isAdmin({ user, token }, 'admin.apps') },
      ...(identity === undefined ? {} : { identity: decodeURIComponent(identity) }),
    })
  } catch (error) {
    respondWithError(socket, error instanceof QlikError ? error : new QlikError(400, 'HTTP-400', 'Bad request'))
  }
}

function respondWithError(socket: Duplex, error: QlikError): void {
  const body = JSON.stringify(error.body())
  const headers = {
    ...error.headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}
