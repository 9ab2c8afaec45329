import type { TokenSource } from 'qlik-oauth'
import type { Principal } from '../../src/http/clients/principal.ts'
import { type RestProxy, restProxy } from '../../src/proxy/rest-proxy.ts'
import type { RestProxyEvent, RestProxyOptions } from '../../src/proxy/rest-proxy-options.ts'
import { closing, httpServer } from './wire.ts'

export const publicUrl = 'https://app.example.com'

export interface ProxyUnderTest {
  readonly port: number
  readonly events: RestProxyEvent[]
  readonly proxy: RestProxy
}

/**
 * A proxy in front of a tenant. Every request is authenticated, unless `authenticate` says otherwise.
 */
export async function proxyTo(
  tenant: string,
  options: Partial<RestProxyOptions> & { tokens?: TokenSource } = {},
): Promise<ProxyUnderTest> {
  const { tokens = tokenSource(tenant), ...rest } = options
  const events: RestProxyEvent[] = []
  const proxy = restProxy({
    authenticate: async (): Promise<Principal> => ({ tokens }),
    publicUrl,
    onEvent: event => events.push(event),
    ...rest,
  })
  const { port } = await httpServer((request, response) => proxy.serve(request, response))
  closing(() => proxy.close({ graceMs: 0 }))
  return { port, events, proxy }
}

/** Hands out `token-1`, and the next number for each token that was rejected. */
export function tokenSource(tenant: string): TokenSource & { readonly rejected: string[] } {
  const rejected: string[] = []
  return {
    tenant,
    rejected,
    async accessToken(options) {
      if (options?.rejected !== undefined) rejected.push(options.rejected)
      return `token-${rejected.length + 1}`
    },
  }
}

/** Headers of a request that a page of the application sends. */
export const fromOurPage = { 'sec-fetch-site': 'same-origin' }
