import { join } from 'node:path'
import { type QlikClient, qlikClient } from '../protocol/client.ts'
import { type ClientAuthentication, clientSecret, privateKeyJwt } from '../protocol/client-authentication.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { tenantOrigin } from '../protocol/tenant-origin.ts'
import { machineTokens } from '../tokens/machine-tokens.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { fileTokenCache } from './file-token-cache.ts'
import { readPrivateFile } from './private-file.ts'
import { clientOf, savedLogins } from './saved-logins.ts'
import type { Terminal } from './terminal.ts'
import { cacheDirectory, configDirectory } from './user-directories.ts'

/** Whom a command acts as. */
export interface Acting {
  readonly client: QlikClient
  readonly tokens: TokenSource
}

/**
 * Decides whom a command acts as: the machine client of the environment, where it names one, else the user who logged
 * in.
 *
 * @param tenant As given with --tenant.
 * @throws ERR_LOGIN_REQUIRED, ERR_CONFIGURATION
 */
export async function acting(terminal: Terminal, tenant: string | undefined): Promise<Acting> {
  const named = chosenTenant(terminal, tenant)
  return (await machine(terminal, named)) ?? (await loggedIn(terminal, named))
}

/** The tenant of --tenant or else of the environment. @throws ERR_CONFIGURATION */
export function chosenTenant({ env }: Pick<Terminal, 'env'>, tenant: string | undefined): string | undefined {
  const named = tenant ?? env.QLIK_TENANT_URL
  return named === undefined || named === ''
    ? undefined
    : tenantOrigin(named, tenant === undefined ? 'QLIK_TENANT_URL' : '--tenant')
}

async function machine(terminal: Terminal, tenant: string | undefined): Promise<Acting | undefined> {
  const { QLIK_M2M_CLIENT_ID: clientId } = terminal.env
  if (clientId === undefined || clientId === '') return undefined
  if (tenant === undefined) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      'QLIK_M2M_CLIENT_ID needs QLIK_TENANT_URL or --tenant beside it: the tenant of that client.',
    )
  }
  const own = qlikClient({ tenant, clientId, authentication: await authentication(terminal) })
  return {
    client: own,
    tokens: machineTokens({ client: own, store: fileTokenCache(join(cacheDirectory(terminal), 'tokens')) }),
  }
}

async function authentication({ env }: Terminal): Promise<ClientAuthentication> {
  const { QLIK_M2M_CLIENT_SECRET: secret, QLIK_M2M_PRIVATE_KEY_FILE: keyFile } = env
  if (keyFile === undefined || keyFile === '') return clientSecret(secret ?? '')
  const key = parseJson((await readPrivateFile(keyFile)) ?? '')
  if (key === undefined)
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `QLIK_M2M_PRIVATE_KEY_FILE must name a private JWK; ${keyFile} is none.`,
    )
  return privateKeyJwt({ key })
}

async function loggedIn(terminal: Terminal, tenant: string | undefined): Promise<Acting> {
  const logins = savedLogins(configDirectory(terminal))
  const login = await logins.find(tenant)
  if (login !== undefined) return { client: clientOf(login), tokens: logins.tokens(login) }
  throw new QlikOAuthError(
    'ERR_LOGIN_REQUIRED',
    `Nobody is logged in${tenant === undefined ? '' : ` at ${tenant}`}. Do this first: qlik-oauth login --tenant https://… --client-id …, or set QLIK_TENANT_URL, QLIK_M2M_CLIENT_ID and QLIK_M2M_CLIENT_SECRET.`,
  )
}
