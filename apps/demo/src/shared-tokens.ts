import { anonymousTokens, type LoginStore, machineTokens, qlikClient, type TokenSource } from 'express-qlik-oauth'
import type { Environment } from './environment.ts'

/** Token sources that belong to no login; `undefined` when their client is not configured. */
export interface SharedTokens {
  readonly machine: TokenSource | undefined
  readonly anonymous: TokenSource | undefined
  close(): Promise<void>
}

export function sharedTokens({ anonymousClient, machineClient, tenant }: Environment, store: LoginStore): SharedTokens {
  const machine = machineClient && qlikClient({ tenant, ...machineClient })
  const anonymous = anonymousClient && qlikClient({ tenant, clientId: anonymousClient.clientId })
  return {
    machine: machine && machineTokens({ client: machine, store }),
    anonymous:
      anonymousClient &&
      anonymous &&
      anonymousTokens({ client: anonymous, store, accessCode: anonymousClient.accessCode }),
    close: async () => void (await Promise.all([machine?.close(), anonymous?.close()])),
  }
}
