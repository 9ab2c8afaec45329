import type { IncomingMessage } from 'node:http'

/**
 * The target of a request as the client sent it. Express takes the path of a router off `url`, not off `originalUrl`.
 */
export function requestTarget(request: IncomingMessage & { readonly originalUrl?: unknown }): string {
  const { originalUrl, url = '/' } = request
  return typeof originalUrl === 'string' ? originalUrl : url
}

/** Whether a request target lies at or below a mount path. */
export function isBelowMount(target: string, mount: string): boolean {
  if (!target.startsWith(mount)) return false
  const next = target[mount.length]
  return next === '/' || next === '?' || next === undefined
}
