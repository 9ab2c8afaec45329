import type { IncomingMessage } from 'node:http'
import { clientAddress, type TrustProxy } from './clients/client-address.ts'
import { limitNetwork } from './clients/limit-network.ts'
import type { Authenticate } from './clients/principal.ts'
import { type Mount, mountAt } from './location/mount.ts'
import { publicLocation } from './location/public-location.ts'
import { invalidOption, mountPath } from './options/option-checks.ts'

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
  readonly mount: Mount
  /** Address of the client, for events. */
  readonly clientAddress: (request: IncomingMessage) => string | undefined
  /** What the limits of a principal without an id are counted by. */
  readonly limitNetwork: (request: IncomingMessage) => string
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
  const location = publicLocation(options.publicUrl)
  return {
    authenticate,
    publicOrigin: location.origin,
    mount: mountAt(location, mountPath(options.mount === undefined ? '/qlik' : options.mount)),
    clientAddress: clientAddress(options.trustProxy),
    limitNetwork: limitNetwork(options.trustProxy),
    onEvent,
  }
}
