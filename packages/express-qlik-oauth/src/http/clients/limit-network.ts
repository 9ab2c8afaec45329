import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { clientAddress, clientNetwork, type TrustProxy } from './client-address.ts'

/**
 * Makes a function that returns what the limits of a principal without an id are counted by: the network of the client.
 *
 * Without `trustProxy`, all clients behind a load balancer are one network. The first such request raises a process
 * warning; `trustProxy: false` says that this is meant.
 *
 * @throws ERR_CONFIGURATION
 */
export function limitNetwork(trustProxy: TrustProxy | undefined): (request: IncomingMessage) => string {
  const addressOf = clientAddress(trustProxy)
  let mayWarn = trustProxy === undefined
  return request => {
    if (mayWarn && isForwarded(request)) {
      mayWarn = false
      process.emitWarning(
        'Requests arrive through a load balancer, and trustProxy is not set: all clients without an id share the limits of one client. ' +
          'Set trustProxy to the number of load balancers, or to false if these clients are one.',
        { code: 'ERR_CONFIGURATION' },
      )
    }
    return `network ${clientNetwork(addressOf(request))}`
  }
}

/** Any client can send the header; a load balancer has an address of a private network as well. */
function isForwarded({ headers, socket: { remoteAddress } }: IncomingMessage): boolean {
  if (headers['x-forwarded-for'] === undefined || remoteAddress === undefined) return false
  return ipaddr.isValid(remoteAddress) && ipaddr.process(remoteAddress).range() !== 'unicast'
}
