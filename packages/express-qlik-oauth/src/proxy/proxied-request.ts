import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Principal } from '../http/principal.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import type { TenantPool } from './tenant-pool.ts'

/** A client's request that has passed all checks. */
export interface ProxiedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path and query on the tenant. */
  readonly target: string
  readonly path: string
  readonly hasBody: boolean
  readonly principal: Principal
  /** What limits are counted by: the id of the principal or the network of the client. */
  readonly limitKey: string
  readonly pool: TenantPool
  readonly settings: RestProxySettings
}
