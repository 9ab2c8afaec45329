import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { selfSigned } from 'test-support/certificate'

/** A server behind TLS that browsers reach by any name, with `resolveExamples`. */
export interface HttpsSite {
  readonly port: number
  readonly server: Server
  close(): Promise<void>
}

export async function httpsSite(): Promise<HttpsSite> {
  const server = createServer(selfSigned('example'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Switches of Chromium: each name below `.example` is a site of its own on this machine. */
export const resolveExamples = ['--host-resolver-rules=MAP *.example 127.0.0.1', '--ignore-certificate-errors']
/** Third-party cookies are blocked, as other browsers do by default. */
export const blockThirdPartyCookies = ['--test-third-party-cookie-phaseout', '--disable-features=Translate']
