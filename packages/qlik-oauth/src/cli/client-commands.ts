import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { JWK } from 'jose'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import {
  type AppType,
  type NewOAuthClient,
  type OAuthClient,
  type OAuthClients,
  oauthClients,
} from '../tenant/oauth-clients.ts'
import { acting } from './acting.ts'
import { environmentFile } from './environment-file.ts'
import { columns, confirmed, print, remark, type Terminal } from './terminal.ts'

interface GlobalOptions {
  readonly tenant?: string
  readonly json?: boolean
}

interface EnvironmentOptions extends GlobalOptions {
  readonly writeEnv?: string
  readonly force?: boolean
}

interface CreateOptions extends EnvironmentOptions {
  readonly type: AppType
  readonly name: string
  readonly description?: string
  readonly redirectUri?: readonly string[]
  readonly origin?: readonly string[]
  readonly scope?: string
  readonly grant?: readonly ('client_credentials' | 'urn:qlik:oauth:user-impersonation')[]
  readonly publicKey?: string
  readonly trusted?: boolean
}

/** clients create, list, show, delete and rotate-secret: the OAuth clients registered at the tenant. */
export function addClientCommands(program: Command, terminal: Terminal): void {
  const clients = program
    .command('clients')
    .description('register and manage OAuth clients (as a tenant administrator)')

  clients
    .command('create')
    .description('register a client')
    .addOption(
      new Option('--type <type>', 'kind of application')
        .choices(['web', 'native', 'spa', 'anonymous-embed'])
        .makeOptionMandatory(),
    )
    .option('--name <name>', 'what users see when they are asked for consent', 'Express application')
    .option('--description <text>')
    .option('--redirect-uri <uri...>', 'where logins return to (default for web: http://localhost:3000/auth/callback)')
    .option('--origin <origin...>', 'origins of pages that may use its tokens')
    .option('--scope <names>', 'scopes it may ask for, separated by spaces')
    .addOption(
      new Option('--grant <grant...>', 'further grants of a web client').choices([
        'client_credentials',
        'urn:qlik:oauth:user-impersonation',
      ]),
    )
    .option(
      '--public-key <file>',
      'file with the public JWK, for private_key_jwt instead of a secret (see: keys generate)',
    )
    .option('--trusted', 'ask users for no consent')
    .option(
      '--write-env <file>',
      'write tenant, client id and secret as environment variables instead of printing them',
    )
    .option('--force', 'replace variables that the file has already')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>()
      const settings = await settingsFrom(options)
      const { tenant, registered } = await directory(terminal, options)
      const variables = variableNames(settings)
      const file =
        options.writeEnv === undefined
          ? undefined
          : await environmentFile(options.writeEnv, variables.all, options.force ?? false)

      const created = await registered.create(settings)
      if (file !== undefined) await file.write(variables.values(tenant, created))
      const { clientSecret, ...shown } = created
      const answer = file === undefined ? created : shown
      print(terminal, options.json ?? false, answer, () => [
        ...details(created),
        ...(file === undefined && clientSecret !== undefined ? [`secret       ${clientSecret}`] : []),
      ])
      if (file !== undefined) remark(terminal, `Wrote ${variables.all.join(', ')} to ${options.writeEnv}.`)
      else if (clientSecret !== undefined) remark(terminal, 'The secret is shown this once.')
    })

  clients
    .command('list')
    .description('list the clients')
    .option('--filter <scim>', 'such as: appType eq "web"')
    .action(async (_options: unknown, command: Command) => {
      const { filter, json = false, ...where } = command.optsWithGlobals<GlobalOptions & { filter?: string }>()
      const { registered } = await directory(terminal, where)
      const found: OAuthClient[] = []
      for await (const client of registered.list(filter === undefined ? {} : { filter })) found.push(client)
      print(terminal, json, found, () =>
        columns([
          ['ID', 'TYPE', 'NAME'],
          ...found.map(({ clientId, appType, clientName }) => [clientId, appType, clientName]),
        ]),
      )
    })

  clients
    .command('show')
    .description('show one client')
    .argument('<client-id>')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const { json = false, ...where } = command.optsWithGlobals<GlobalOptions>()
      const { registered } = await directory(terminal, where)
      const client = await registered.read(clientId)
      print(terminal, json, client, () => details(client))
    })

  clients
    .command('delete')
    .description('delete a client; its tokens end with it')
    .argument('<client-id>')
    .option('--yes', 'do not ask')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const { json = false, yes = false, ...where } = command.optsWithGlobals<GlobalOptions & { yes?: boolean }>()
      const { tenant, registered } = await directory(terminal, where)
      if (!yes && !(await confirmed(terminal, `Delete the client ${clientId} of ${tenant}?`))) return
      await registered.delete(clientId)
      print(terminal, json, { clientId, deleted: true }, () => [`Deleted ${clientId}.`])
    })

  clients
    .command('rotate-secret')
    .description('add a secret to a client; the old ones work until they are deleted')
    .argument('<client-id>')
    .option('--delete-old', 'delete the old secrets at once: processes that still use them fail')
    .option('--write-env <file>', 'write the new secret as an environment variable instead of printing it')
    .option('--force', 'replace variables that the file has already')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EnvironmentOptions & { deleteOld?: boolean }>()
      const { tenant, registered } = await directory(terminal, options)
      const client = await registered.read(clientId)
      const variables = variableNames(client)
      const file =
        options.writeEnv === undefined
          ? undefined
          : await environmentFile(options.writeEnv, variables.all, options.force ?? false)

      const { clientSecret, hint } = await registered.createSecret(clientId)
      if (file !== undefined) await file.write(variables.values(tenant, { ...client, clientSecret }))
      const old = options.deleteOld === true ? (client.clientSecrets ?? []) : []
      for (const secret of old) await registered.deleteSecret(clientId, secret.hint)

      const deleted = old.map(secret => secret.hint)
      print(
        terminal,
        options.json ?? false,
        { clientId, hint, deleted, ...(file === undefined ? { clientSecret } : {}) },
        () => [file === undefined ? clientSecret : `Wrote the new secret to ${options.writeEnv}.`],
      )
      if (deleted.length > 0) remark(terminal, `Deleted the secrets that begin with ${deleted.join(', ')}.`)
    })
}

async function directory(
  terminal: Terminal,
  { tenant }: Pick<GlobalOptions, 'tenant'>,
): Promise<{ tenant: string; registered: OAuthClients }> {
  const { tokens } = await acting(terminal, tenant)
  return { tenant: tokens.tenant, registered: oauthClients({ tokens }) }
}

async function settingsFrom(options: CreateOptions): Promise<NewOAuthClient> {
  const { type, name, description, origin, grant, publicKey, trusted } = options
  const machine = grant !== undefined && options.redirectUri === undefined
  const redirectUris = options.redirectUri ?? (machine ? undefined : usualRedirectUris[type])
  const scope = options.scope ?? (machine || type === 'anonymous-embed' ? 'user_default' : usualScope)
  return {
    appType: type,
    clientName: name,
    allowedScopes: scope.split(' ').filter(part => part !== ''),
    ...(description === undefined ? {} : { description }),
    ...(redirectUris === undefined ? {} : { redirectUris }),
    ...(origin === undefined ? {} : { allowedOrigins: origin }),
    ...(grant === undefined ? {} : { allowedGrantTypes: grant }),
    ...(publicKey === undefined
      ? {}
      : { allowedAuthMethods: ['private_key_jwt'], publicKeys: [await publicJwk(publicKey)] }),
    ...(trusted === true ? { connectionConfig: { consentMethod: 'trusted' } } : {}),
  }
}

const usualScope = 'user_default offline_access'

const usualRedirectUris: Readonly<Partial<Record<AppType, readonly string[]>>> = {
  web: ['http://localhost:3000/auth/callback'],
  native: ['http://127.0.0.1/callback'],
}

async function publicJwk(file: string): Promise<JWK> {
  const key = parseJson(await readFile(file, 'utf8'))
  if (typeof key?.kty === 'string' && typeof key.kid === 'string' && !('d' in key)) return { ...key, kty: key.kty }
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `--public-key must name a file with a public JWK that has a kid; ${file} is none.`,
  )
}

/** The environment variables in which an application expects a client of this kind. */
function variableNames({ appType, allowedGrantTypes = [] }: Pick<NewOAuthClient, 'appType' | 'allowedGrantTypes'>) {
  const prefix = appType === 'web' ? webPrefix(allowedGrantTypes) : otherPrefixes[appType]
  const login = prefix === 'QLIK_'
  const all = [
    'QLIK_TENANT_URL',
    `${prefix}CLIENT_ID`,
    ...(appType === 'web' ? [`${prefix}CLIENT_SECRET`] : []),
    ...(login ? ['QLIK_SCOPE'] : []),
  ]
  return {
    all,
    values(
      tenant: string,
      client: Pick<OAuthClient, 'clientId' | 'allowedScopes'> & { clientSecret?: string },
    ): Record<string, string> {
      const { clientId, clientSecret, allowedScopes } = client
      return {
        QLIK_TENANT_URL: tenant,
        [`${prefix}CLIENT_ID`]: clientId,
        ...(clientSecret === undefined ? {} : { [`${prefix}CLIENT_SECRET`]: clientSecret }),
        ...(login ? { QLIK_SCOPE: allowedScopes?.join(' ') ?? usualScope } : {}),
      }
    },
  }
}

function webPrefix(grants: readonly string[]): string {
  if (grants.includes('client_credentials')) return 'QLIK_M2M_'
  return grants.includes('urn:qlik:oauth:user-impersonation') ? 'QLIK_IMPERSONATION_' : 'QLIK_'
}

const otherPrefixes = { spa: 'QLIK_SPA_', native: 'QLIK_NATIVE_', 'anonymous-embed': 'QLIK_ANONYMOUS_' } as const

function details(client: OAuthClient): readonly string[] {
  const rows: [string, string | undefined][] = [
    ['id', client.clientId],
    ['name', client.clientName],
    ['type', client.appType],
    ['description', client.description],
    ['redirects', client.redirectUris?.join(' ')],
    ['origins', client.allowedOrigins?.join(' ')],
    ['scopes', client.allowedScopes?.join(' ')],
    ['grants', client.allowedGrantTypes?.join(' ')],
    ['secrets', client.clientSecrets?.map(({ hint }) => `${hint}…`).join(' ')],
  ]
  return rows.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name.padEnd(12)} ${value}`]))
}
