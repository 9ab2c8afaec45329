import type { IncomingMessage } from 'node:http'

/** A host of the simulation: where it listens, and which further values of `Host` it accepts. */
export interface OwnHost {
  readonly origin: string
  readonly settings: { readonly acceptedHosts: readonly string[] }
}

/** The request target as a URL on this host; undefined when the target is not a path. */
export function targetUrl({ origin }: OwnHost, request: IncomingMessage): URL | undefined {
  const target = request.url ?? ''
  return target.startsWith('/') && URL.canParse(origin + target) ? new URL(origin + target) : undefined
}

/** Whether `Host` names this host. Qlik Cloud routes by host name, so a proxy must not forward its own `Host`. */
export function isOwnHost({ origin, settings }: OwnHost, request: IncomingMessage): boolean {
  const { host } = request.headers
  const { host: own, port } = new URL(origin)
  return (
    host !== undefined &&
    [own, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, ...settings.acceptedHosts].includes(host)
  )
}
