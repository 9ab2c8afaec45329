import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { callApplication } from '../../http/clients/call-application.ts'
import { clientAddress, type TrustProxy } from '../../http/clients/client-address.ts'
import { isRequest, withRequest } from '../../http/response/request-context.ts'
import {
  checkListener,
  type Events,
  eventNames,
  proxyEventNames,
  type QlikEventName,
  type QlikEvents,
} from './events.ts'

export interface QlikEventEmitter {
  /** Assignable to `Emit` and to `EmitLoginEvent`. */
  emit(this: void, name: QlikEventName, event: Events[QlikEventName], request?: unknown): void
  /** Whether an event has listeners. */
  has(name: QlikEventName): boolean
  on<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): void
  off<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): void
}

/**
 * Raises events, each with its request. A warning is raised once per message.
 *
 * @param owner Function whose events they are.
 * @param trustProxy Trusted proxies in front of the application. @default Express's "trust proxy"
 * @throws ERR_CONFIGURATION
 */
export function eventEmitter(owner: 'qlikAuth' | 'qlikProxy', trustProxy?: TrustProxy): QlikEventEmitter {
  const names = Object.keys(owner === 'qlikAuth' ? eventNames : proxyEventNames)
  const events = new EventEmitter()
  const warned = new Set<string>()
  const connectionAddress = clientAddress(trustProxy)
  const addressOf = (request: IncomingMessage): string | undefined =>
    trustProxy === undefined && 'ip' in request && typeof request.ip === 'string'
      ? request.ip
      : connectionAddress(request)

  return {
    emit(name, event, request) {
      if (name === 'warning' && 'message' in event) {
        if (warned.has(event.message)) return
        warned.add(event.message)
      }
      if (events.listenerCount(name) === 0) return
      const complete = isRequest(request) ? withRequest(event, request, addressOf(request)) : event
      callApplication(() => events.emit(name, complete))
    },
    has: name => events.listenerCount(name) > 0,
    on(name, listener) {
      checkListener(owner, names, name, listener)
      events.on(name, listener)
    },
    off: (name, listener) => void events.off(name, listener),
  }
}
