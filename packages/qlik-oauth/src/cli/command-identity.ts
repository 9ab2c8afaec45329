import { join } from 'node:path'
import { type QlikClient, qlikClient } from '../protocol/client.ts'
import { type ClientAuthentication, clientSecretPost, privateKeyJwt } from '../protocol/client-authentication.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { configurationError } from '../protocol/option-checks.ts'
import { tenantOrigin } from '../protocol/tenant-origin.ts'
import { machineTokens } from '../tokens/machine-tokens.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { fileTokenCache } from './file-token-cache.ts'
import { readPrivateFile } from './private-file.ts'
import { clientOf, savedLogins } from './saved-logins.ts'
import type { Terminal } from './terminal.ts'
import { cacheDirectory, configDirectory } from './user-directories.ts'

/** The client and the tokens that a command uses. */
export interface CommandIdentity {
  readonly client: QlikClient
  readonly tokens: TokenSource
}

/**
 * Runs a command as the machine client of the environment; without one, as the logged-in user. Closes the connections
 * at its end.
 *
 * @param tenant The value of --tenant.
 * @throws ERR_LOGIN_REQUIRED, ERR_CONFIGURATION; the errors of the command.
 */
export async function withIdentity<T>(
  terminal: Terminal,
  tenant: string | undefined,
  command: (identity: CommandIdentity) => Promise<T>,
): Promise<T> {
  const origin = selectedTenant(terminal, tenant)
  const identity = (await machineIdentity(terminal, origin)) ?? (await userIdentity(terminal, origin))
  try {
    return await command(identity)
  } finally {
    await identity.client.close()
  }
}

/** The tenant of --tenant, or else of the environment. @throws ERR_CONFIGURATION */
export function selectedTenant({ env }: Pick<Terminal, 'env'>, tenant: string | undefined): string | undefined {
  const origin = tenant ?? env.QLIK_TENANT_URL
  if (origin === undefined || origin === '') return undefined
  return tenantOrigin(origin, tenant === undefined ? 'QLIK_TENANT_URL' : '--tenant')
}

async function machineIdentity(terminal: Terminal, tenant: string | undefined): Promise<CommandIdentity | undefined> {
  const { QLIK_M2M_CLIENT_ID: clientId } = terminal.env
  if (clientId === undefined || clientId === '') return undefined
  if (tenant === undefined)
    throw configurationError('QLIK_M2M_CLIENT_ID requires QLIK_TENANT_URL or --tenant: the tenant of that client.')
  const client = qlikClient({ tenant, clientId, authentication: await machineAuthentication(terminal) })
  const store = fileTokenCache(join(cacheDirectory(terminal), 'tokens'))
  return { client, tokens: machineTokens({ client, store }) }
}

async function machineAuthentication({ env }: Terminal): Promise<ClientAuthentication> {
  const { QLIK_M2M_CLIENT_SECRET: secret = '', QLIK_M2M_PRIVATE_KEY_FILE: keyFile = '' } = env
  if (keyFile === '') {
    if (secret !== '') return clientSecretPost(secret)
    throw configurationError('QLIK_M2M_CLIENT_ID requires QLIK_M2M_CLIENT_SECRET or QLIK_M2M_PRIVATE_KEY_FILE.')
  }
  const key = parseJson((await readPrivateFile(keyFile)) ?? '')
  if (key !== undefined) return privateKeyJwt({ key })
  throw configurationError(`QLIK_M2M_PRIVATE_KEY_FILE must name the file of a private JWK; ${keyFile} has none.`)
}

async function userIdentity(terminal: Terminal, tenant: string | undefined): Promise<CommandIdentity> {
  const logins = savedLogins(configDirectory(terminal))
  const login = await logins.find(tenant)
  if (login !== undefined) {
    const client = clientOf(login)
    return { client, tokens: logins.tokens(login, client) }
  }
  throw new QlikOAuthError(
    'ERR_LOGIN_REQUIRED',
    `Not logged in${tenant === undefined ? '' : ` at ${tenant}`}. Run: qlik-oauth login --tenant https://… --client-id …, or set QLIK_TENANT_URL, QLIK_M2M_CLIENT_ID and QLIK_M2M_CLIENT_SECRET.`,
  )
}
