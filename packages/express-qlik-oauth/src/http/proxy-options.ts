import type { IncomingMessage } from 'node:http'
import { clientAddress, type TrustProxy } from './client-address.ts'
import { invalidOption, mountPath, publicOrigin } from './option-checks.ts'
import type { Authenticate } from './principal.ts'

interface ProxyOptions<Event> {
  readonly authenticate: Authenticate
  readonly publicUrl: string
  readonly mount?: string
  readonly trustProxy?: TrustProxy
  readonly onEvent?: (event: Event) => void
}

/** Options that `qlikProxy` passes to both proxies. */
export type SharedProxyOption = 'authenticate' | 'publicUrl' | 'mount'

/** The checked options that the REST proxy and the WebSocket proxy have in common. */
export interface ProxySettings<Event> {
  readonly authenticate: Authenticate
  readonly publicOrigin: string
  readonly mount: string
  readonly clientAddress: (request: IncomingMessage) => string | undefined
  readonly onEvent: ((event: Event) => void) | undefined
}

/**
 * Checks the options that both proxies have in common.
 *
 * @throws ERR_CONFIGURATION
 */
export function proxySettings<Event>(options: ProxyOptions<Event>): ProxySettings<Event> {
  const { authenticate, onEvent } = options
  if (typeof authenticate !== 'function')
    throw invalidOption('authenticate', 'a function that finds the principal of a request', authenticate)
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalidOption('onEvent', 'a function', onEvent)
  return {
    authenticate,
    publicOrigin: publicOrigin(options.publicUrl),
    mount: mountPath(options.mount ?? '/qlik'),
    clientAddress: clientAddress(options.trustProxy),
    onEvent,
  }
}
