import type { IncomingMessage } from 'node:http'
import type { TenantState } from '../tenant-state.ts'

/** The request target as a URL on this host; undefined when it is not a path. */
export function targetUrl(state: TenantState, request: IncomingMessage): URL | undefined {
  const target = request.url ?? ''
  return target.startsWith('/') && URL.canParse(state.origin + target) ? new URL(state.origin + target) : undefined
}

/** Qlik Cloud routes by host name, so a request that carries the Host of an application is lost. */
export function isOwnHost(state: TenantState, request: IncomingMessage): boolean {
  const { host } = request.headers
  const { host: own, port } = new URL(state.origin)
  return (
    host !== undefined &&
    [own, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, ...state.settings.acceptedHosts].includes(host)
  )
}
