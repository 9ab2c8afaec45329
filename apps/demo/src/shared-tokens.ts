import { anonymousTokens, client, type LoginStore, machineTokens, type TokenSource } from 'qlik-oauth'
import type { Environment } from './environment.ts'

/** Tokens that belong to no person who is logged in here; `undefined` where the client for them is not configured. */
export interface SharedTokens {
  readonly machine: TokenSource | undefined
  readonly anonymous: TokenSource | undefined
  close(): Promise<void>
}

export function sharedTokens({ anonymousClient, machineClient, tenant }: Environment, store: LoginStore): SharedTokens {
  const machine = machineClient && client({ tenant, ...machineClient })
  const anonymous = anonymousClient && client({ tenant, clientId: anonymousClient.clientId })
  return {
    machine: machine && machineTokens({ client: machine, store }),
    anonymous: anonymousClient && anonymous && anonymousTokens({ client: anonymous, store, accessCode: anonymousClient.accessCode }),
    close: async () => void (await Promise.all([machine?.close(), anonymous?.close()])),
  }
}
