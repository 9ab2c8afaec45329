import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { loopbackLogin } from '../native/loopback-login.ts'
import { openSystemBrowser } from '../native/system-browser.ts'
import { qlikClient } from '../protocol/client.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { configurationError } from '../protocol/option-checks.ts'
import { currentUser, isQlikBot } from '../protocol/qlik-user.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { selectedTenant, withIdentity } from './command-identity.ts'
import { clientOf, savedLogins } from './saved-logins.ts'
import { columns, type GlobalOptions, print, printMessage, readInput, type Terminal } from './terminal.ts'
import { configDirectory } from './user-directories.ts'

interface LoginOptions extends GlobalOptions {
  readonly clientId?: string
  readonly scope: string
  readonly redirectUri?: string
  readonly secretFile?: string
  readonly browser: boolean
}

/** The commands `login`, `logout`, `whoami` and `token`. */
export function addLoginCommands(program: Command, terminal: Terminal): void {
  const logins = savedLogins(configDirectory(terminal))

  program
    .command('login')
    .description('log in at a tenant with a native client, in the browser')
    .option('--client-id <id>', 'id of the native client (or set QLIK_NATIVE_CLIENT_ID)')
    .option('--scope <names>', 'scopes to request, separated by spaces', 'user_default admin_classic offline_access')
    .option(
      '--redirect-uri <uri>',
      'redirect URI of the client; without a port, a free port is used (default: http://127.0.0.1/callback)',
    )
    .option('--secret-file <file>', 'file with the secret of a native client that has one; - reads standard input')
    .option('--no-browser', 'print the URL instead of opening a browser')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LoginOptions>()
      const { scope, redirectUri, secretFile, browser, json = false } = options
      const secret = secretFile === undefined ? undefined : await readSecret(terminal, secretFile)
      const credentials = secret === undefined ? {} : { clientSecret: secret }
      const tenant = options.tenant ?? terminal.env.QLIK_TENANT_URL
      const clientId = options.clientId ?? terminal.env.QLIK_NATIVE_CLIENT_ID
      const client = qlikClient({
        tenant: required(tenant, '--tenant', 'the origin of the tenant, such as https://acme.eu.qlikcloud.com'),
        clientId: required(clientId, '--client-id', 'the id of a native OAuth client of the tenant'),
        scope,
        ...credentials,
      })
      try {
        const { tokens, user } = await loopbackLogin({
          client,
          signal: terminal.signal,
          ...(redirectUri === undefined ? {} : { redirectUri }),
          openBrowser: url => showUrl(terminal, url, browser),
        })
        const { tenant, clientId, scope } = client
        await logins.save({ tenant, clientId, scope, tokens, user, ...credentials })
        print(terminal, json, { tenant, user, scope: tokens.scope }, () => [
          `Logged in at ${tenant} as ${user.name ?? user.id}.`,
        ])
      } finally {
        await client.close()
      }
    })

  program
    .command('logout')
    .description('end the login and revoke its tokens at the tenant')
    .action(async (_options: unknown, command: Command) => {
      const { tenant, json = false } = command.optsWithGlobals<GlobalOptions>()
      const found = await logins.find(selectedTenant(terminal, tenant))
      const login = found === undefined ? undefined : await logins.remove(found.tenant)
      if (login === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not logged in.')
      const client = clientOf(login)
      await revokeTokens(client, login.tokens, message =>
        printMessage(terminal, `The login was deleted here, but its tokens stay valid at the tenant: ${message}`),
      )
      await client.close()
      print(terminal, json, { tenant: login.tenant }, () => [`Logged out at ${login.tenant}.`])
    })

  program
    .command('whoami')
    .description('show the user that commands act as')
    .action(async (_options: unknown, command: Command) => {
      const { tenant: selected, json = false } = command.optsWithGlobals<GlobalOptions>()
      await withIdentity(terminal, selected, async ({ client, tokens }) => {
        const { tenant, clientId } = client
        const user = await currentUser(client, await tokens.accessToken(), terminal.signal)
        const machine = isQlikBot(user)
        print(terminal, json, { tenant, clientId, user, machine }, () =>
          columns([
            ['tenant', tenant],
            ['client', clientId],
            ['user', `${user.name ?? ''} (${user.id})${machine ? ', a machine' : ''}`.trim()],
            ...(user.email === undefined ? [] : [['email', user.email]]),
          ]),
        )
      })
    })

  program
    .command('token')
    .description('print a valid access token; keep it secret')
    .action(async (_options: unknown, command: Command) => {
      const { tenant: selected, json = false } = command.optsWithGlobals<GlobalOptions>()
      await withIdentity(terminal, selected, async ({ tokens }) => {
        const accessToken = await tokens.accessToken({ signal: terminal.signal })
        print(terminal, json, { tenant: tokens.tenant, accessToken }, () => [accessToken])
      })
    })
}

async function showUrl(terminal: Terminal, url: string, browser: boolean): Promise<void> {
  printMessage(terminal, browser ? 'Log in with your browser. If it does not open, go to:' : 'Log in at:')
  printMessage(terminal, url)
  // Without a browser on this machine, the user opens the URL elsewhere.
  if (browser) await openSystemBrowser(url).catch(() => {})
}

async function readSecret(terminal: Terminal, file: string): Promise<string> {
  return file === '-' ? readInput(terminal, 'the client secret') : (await readFile(file, 'utf8')).trim()
}

function required(value: string | undefined, option: string, meaning: string): string {
  if (value !== undefined && value !== '') return value
  throw configurationError(`${option} is missing: ${meaning}.`)
}
