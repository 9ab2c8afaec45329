import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Engine } from './engine/engine.ts'
import { type FaultScript, strikeUpgrade } from './faults.ts'
import { isOwnHost, targetUrl } from './http/own-host.ts'
import { QlikError } from './http/qlik-error.ts'
import type { RequestLog } from './request-log.ts'
import { authenticate } from './rest/authentication.ts'
import type { TenantState } from './tenant-state.ts'

/**
 * Lets WebSockets through to the engine: `/app/{id}[/identity/{identity}][/ttl/{seconds}]` with a token that is good
 * now.
 */
export async function upgrade(
  {
    state,
    log,
    faults,
    engine,
    opened,
  }: {
    state: TenantState
    log: RequestLog
    faults: FaultScript
    engine: Engine
    opened: (tokenFamily: string, socket: Duplex) => void
  },
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy())
  const fault = faults.take(log.add(request, true))
  if (fault !== undefined && (await strikeUpgrade(fault, socket))) return
  try {
    const url = targetUrl(state, request)
    const [, appId, identity] =
      /^\/app\/([^/]+)(?:\/identity\/([^/]+))?(?:\/ttl\/\d+)?$/.exec(url?.pathname ?? '') ?? []
    if (!isOwnHost(state, request))
      throw new QlikError(421, 'HTTP-421', 'Misdirected request', 'This tenant has another host name')
    if (!state.active()) throw new QlikError(403, 'TENANTS-9', 'Tenant is deactivated')
    if (url === undefined || appId === undefined) throw new QlikError(404, 'HTTP-404', 'Not found')
    const { user, token } = authenticate(state, { request, url }, 'websocket')
    opened(token.family, socket)
    engine.accept(request, socket, head, {
      appId: decodeURIComponent(appId),
      user: { id: user.id, name: user.name },
      ...(identity === undefined ? {} : { identity: decodeURIComponent(identity) }),
    })
  } catch (error) {
    refuse(socket, error instanceof QlikError ? error : new QlikError(400, 'HTTP-400', 'Bad request'))
  }
}

function refuse(socket: Duplex, error: QlikError): void {
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
