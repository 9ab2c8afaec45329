import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { JWK } from 'jose'
import { messageOf } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { configurationError } from '../protocol/option-checks.ts'
import {
  type NewOAuthClient,
  type OAuthAppType,
  type OAuthClient,
  type OAuthClients,
  oauthClients,
} from '../tenant/oauth-clients.ts'
import { clientVariables, defaultScope } from './client-variables.ts'
import { withIdentity } from './command-identity.ts'
import { environmentFile } from './environment-file.ts'
import { columns, confirmed, type GlobalOptions, print, printMessage, type Terminal } from './terminal.ts'

interface EnvironmentOptions extends GlobalOptions {
  readonly writeEnv?: string
  readonly force?: boolean
}

interface CreateOptions extends EnvironmentOptions {
  readonly type: OAuthAppType
  readonly name: string
  readonly description?: string
  readonly redirectUri?: readonly string[]
  readonly origin?: readonly string[]
  readonly scope?: string
  readonly grant?: readonly ('client_credentials' | 'urn:qlik:oauth:user-impersonation')[]
  readonly publicKey?: string
  readonly trusted?: boolean
}

/** The commands `clients create|list|show|delete|rotate-secret`: the OAuth clients registered at the tenant. */
export function addClientCommands(program: Command, terminal: Terminal): void {
  const clients = program.command('clients').description('register and manage OAuth clients, as a tenant administrator')

  clients
    .command('create')
    .description('register a client')
    .addOption(
      new Option('--type <type>', 'kind of application')
        .choices(['web', 'native', 'spa', 'anonymous-embed'])
        .makeOptionMandatory(),
    )
    .option('--name <name>', 'name that users see when they are asked for consent', 'Express application')
    .option('--description <text>')
    .option('--redirect-uri <uri...>', 'redirect URIs (default for web: http://localhost:3000/auth/callback)')
    .option('--origin <origin...>', 'origins of pages that may call the tenant with its tokens')
    .option('--scope <names>', 'allowed scopes, separated by spaces')
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
    .option('--trusted', 'do not ask users for consent')
    .option('--write-env <file>', 'write tenant, client id and secret to a .env file instead of printing them')
    .option('--force', 'replace variables that the file already has')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>()
      const settings = await settingsFrom(options)
      await withClients(terminal, options, async (registered, tenant) => {
        const variables = clientVariables(settings)
        const file = await fileFor(options, variables.names)
        const created = await registered.create(settings)
        const { clientSecret, ...withoutSecret } = created
        if (file !== undefined) {
          await file.write(variables.values(tenant, created)).catch(cause => {
            throw configurationError(
              `The client ${created.clientId} was registered, but its secret was not written: ${messageOf(cause)} Run: qlik-oauth clients rotate-secret ${created.clientId}`,
              cause,
            )
          })
        }
        print(terminal, options.json ?? false, file === undefined ? created : withoutSecret, () => [
          ...details(created),
          ...(file === undefined && clientSecret !== undefined ? [`secret       ${clientSecret}`] : []),
        ])
        if (file !== undefined) printMessage(terminal, `Wrote ${variables.names.join(', ')} to ${options.writeEnv}.`)
        else if (clientSecret !== undefined) printMessage(terminal, 'The secret is not shown again.')
      })
    })

  clients
    .command('list')
    .description('list the clients')
    .option('--filter <scim>', 'such as: appType eq "web"')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { filter?: string }>()
      const { filter, json = false } = options
      await withClients(terminal, options, async registered => {
        const found: OAuthClient[] = []
        for await (const client of registered.list(filter === undefined ? {} : { filter })) found.push(client)
        print(terminal, json, found, () =>
          columns([
            ['ID', 'TYPE', 'NAME'],
            ...found.map(({ clientId, appType, clientName }) => [clientId, appType, clientName]),
          ]),
        )
      })
    })

  clients
    .command('show')
    .description('show one client')
    .argument('<client-id>')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await withClients(terminal, options, async registered => {
        const client = await registered.read(clientId)
        print(terminal, options.json ?? false, client, () => details(client))
      })
    })

  clients
    .command('delete')
    .description('delete a client; its tokens become invalid')
    .argument('<client-id>')
    .option('--yes', 'do not ask for confirmation')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { yes?: boolean }>()
      const { json = false, yes = false } = options
      await withClients(terminal, options, async (registered, tenant) => {
        if (!yes && !(await confirmed(terminal, `Delete the client ${clientId} of ${tenant}?`))) return
        await registered.delete(clientId)
        print(terminal, json, { clientId, deleted: true }, () => [`Deleted ${clientId}.`])
      })
    })

  clients
    .command('rotate-secret')
    .description('add a secret to a client; the old ones stay valid until they are deleted')
    .argument('<client-id>')
    .option('--delete-old', 'delete the old secrets at once; processes that use them fail')
    .option('--write-env <file>', 'write the new secret to a .env file instead of printing it')
    .option('--force', 'replace variables that the file already has')
    .action(async (clientId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EnvironmentOptions & { deleteOld?: boolean }>()
      await withClients(terminal, options, async (registered, tenant) => {
        const client = await registered.read(clientId)
        const variables = clientVariables(client)
        const file = await fileFor(options, variables.names)

        const { clientSecret, hint } = await registered.createSecret(clientId)
        await file?.write(variables.values(tenant, { ...client, clientSecret }))
        const deleted = options.deleteOld === true ? (client.clientSecrets ?? []).map(secret => secret.hint) : []
        for (const old of deleted) await registered.deleteSecret(clientId, old)

        const shown = { clientId, hint, deleted, ...(file === undefined ? { clientSecret } : {}) }
        print(terminal, options.json ?? false, shown, () => [
          file === undefined ? clientSecret : `Wrote the new secret to ${options.writeEnv}.`,
        ])
        if (deleted.length > 0) printMessage(terminal, `Deleted the secrets that begin with ${deleted.join(', ')}.`)
      })
    })
}

function withClients<T>(
  terminal: Terminal,
  { tenant }: Pick<GlobalOptions, 'tenant'>,
  command: (registered: OAuthClients, tenant: string) => Promise<T>,
): Promise<T> {
  return withIdentity(terminal, tenant, async ({ tokens }) => {
    const registered = oauthClients({ tokens })
    try {
      return await command(registered, tokens.tenant)
    } finally {
      await registered.close()
    }
  })
}

function fileFor({ writeEnv, force = false }: EnvironmentOptions, names: readonly string[]) {
  return writeEnv === undefined ? undefined : environmentFile(writeEnv, names, force)
}

async function settingsFrom(options: CreateOptions): Promise<NewOAuthClient> {
  const { type, name, description, origin, grant, publicKey, trusted } = options
  const isMachine = grant !== undefined && options.redirectUri === undefined
  const redirectUris = options.redirectUri ?? (isMachine ? undefined : defaultRedirectUris[type])
  const scope = options.scope ?? (isMachine || type === 'anonymous-embed' ? 'user_default' : defaultScope)
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

const defaultRedirectUris: Readonly<Partial<Record<OAuthAppType, readonly string[]>>> = {
  web: ['http://localhost:3000/auth/callback'],
  native: ['http://127.0.0.1/callback'],
}

async function publicJwk(file: string): Promise<JWK> {
  const key = parseJson(await readFile(file, 'utf8'))
  if (typeof key?.kty === 'string' && typeof key.kid === 'string' && !('d' in key)) return { ...key, kty: key.kty }
  throw configurationError(`--public-key must name the file of a public JWK with a kid; ${file} has none.`)
}

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
