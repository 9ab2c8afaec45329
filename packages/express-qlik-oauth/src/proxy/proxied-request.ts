import type { Principal } from '../http/clients/principal.ts'
import type { RequestMeasurement } from './proxied-event.ts'
import type { ForwardedRequest } from './response/response-headers.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import type { TenantPool } from './tenant-pool.ts'

/** A client's request that has passed all checks. */
export interface ProxiedRequest extends ForwardedRequest {
  /** Path and query on the tenant. */
  readonly target: string
  readonly hasBody: boolean
  readonly principal: Principal
  /** The key that limits are counted by: the user or the id of the principal, or the network of the client. */
  readonly limitKey: string
  readonly pool: TenantPool
  readonly settings: RestProxySettings
  /** Counts bytes; missing when the request is not observed. */
  readonly measurement: RequestMeasurement | undefined
}
