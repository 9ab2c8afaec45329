import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { loopbackLogin } from '../native/loopback-login.ts'
import { openSystemBrowser } from '../native/system-browser.ts'
import { qlikClient } from '../protocol/client.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { currentUser, isQlikBot } from '../protocol/qlik-user.ts'
import { revokeTokens } from '../protocol/revocation.ts'
import { acting, chosenTenant } from './acting.ts'
import { clientOf, savedLogins } from './saved-logins.ts'
import { columns, print, readInput, remark, type Terminal } from './terminal.ts'
import { configDirectory } from './user-directories.ts'

interface GlobalOptions {
  readonly tenant?: string
  readonly json?: boolean
}

interface LoginOptions extends GlobalOptions {
  readonly clientId?: string
  readonly scope: string
  readonly redirectUri?: string
  readonly secretFile?: string
  readonly browser: boolean
}

/** login, logout, whoami and token: who this user is at the tenant. */
export function addLoginCommands(program: Command, terminal: Terminal): void {
  const logins = savedLogins(configDirectory(terminal))

  program
    .command('login')
    .description('log in at a tenant with a native client, in the browser')
    .option('--client-id <id>', 'the native client (or set QLIK_NATIVE_CLIENT_ID)')
    .option('--scope <names>', 'scopes to ask for, separated by spaces', 'user_default admin_classic offline_access')
    .option(
      '--redirect-uri <uri>',
      'redirect URI of the client; without a port, a free one is taken (default: http://127.0.0.1/callback)',
    )
    .option('--secret-file <file>', 'file with the secret of a native client that has one; - reads standard input')
    .option('--no-browser', 'print the address instead of opening a browser')
    .action(async (_options: unknown, command: Command) => {
      const {
        tenant,
        clientId,
        scope,
        redirectUri,
        secretFile,
        browser,
        json = false,
      } = command.optsWithGlobals<LoginOptions>()
      const secret = secretFile === undefined ? undefined : await secretIn(terminal, secretFile)
      const native = qlikClient({
        tenant: needed(
          tenant ?? terminal.env.QLIK_TENANT_URL,
          '--tenant',
          'the address of the tenant, such as https://acme.eu.qlikcloud.com',
        ),
        clientId: needed(
          clientId ?? terminal.env.QLIK_NATIVE_CLIENT_ID,
          '--client-id',
          'the id of a native OAuth client of the tenant',
        ),
        scope,
        ...(secret === undefined ? {} : { clientSecret: secret }),
      })
      try {
        const { tokens, user } = await loopbackLogin({
          client: native,
          signal: terminal.signal,
          ...(redirectUri === undefined ? {} : { redirectUri }),
          openBrowser: url => show(terminal, url, browser),
        })
        await logins.save({
          tenant: native.tenant,
          clientId: native.clientId,
          scope: native.scope,
          tokens,
          user,
          ...(secret === undefined ? {} : { clientSecret: secret }),
        })
        print(terminal, json, { tenant: native.tenant, user, scope: tokens.scope }, () => [
          `Logged in at ${native.tenant} as ${user.name ?? user.id}.`,
        ])
      } finally {
        await native.close()
      }
    })

  program
    .command('logout')
    .description('end the login: revoke its tokens at the tenant and forget them')
    .action(async (_options: unknown, command: Command) => {
      const { tenant, json = false } = command.optsWithGlobals<GlobalOptions>()
      const login = await logins.find(chosenTenant(terminal, tenant))
      if (login === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Nobody is logged in.')
      await logins.remove(login.tenant)
      const native = clientOf(login)
      await revokeTokens(native, login.tokens, message =>
        remark(terminal, `The login is forgotten here, but its tokens live on: ${message}`),
      )
      await native.close()
      print(terminal, json, { tenant: login.tenant }, () => [`Logged out at ${login.tenant}.`])
    })

  program
    .command('whoami')
    .description('show the user that commands act as')
    .action(async (_options: unknown, command: Command) => {
      const { tenant, json = false } = command.optsWithGlobals<GlobalOptions>()
      const { client: own, tokens } = await acting(terminal, tenant)
      const user = await currentUser(own, await tokens.accessToken(), terminal.signal)
      print(terminal, json, { tenant: own.tenant, clientId: own.clientId, user, machine: isQlikBot(user) }, () =>
        columns([
          ['tenant', own.tenant],
          ['client', own.clientId],
          ['user', `${user.name ?? ''} (${user.id})${isQlikBot(user) ? ', a machine' : ''}`.trim()],
          ...(user.email === undefined ? [] : [['email', user.email]]),
        ]),
      )
    })

  program
    .command('token')
    .description('print an access token that is valid now; whoever sees it can use it')
    .action(async (_options: unknown, command: Command) => {
      const { tenant, json = false } = command.optsWithGlobals<GlobalOptions>()
      const { tokens } = await acting(terminal, tenant)
      const accessToken = await tokens.accessToken()
      print(terminal, json, { tenant: tokens.tenant, accessToken }, () => [accessToken])
    })
}

async function show(terminal: Terminal, url: string, browser: boolean): Promise<void> {
  remark(terminal, browser ? 'Log in with your browser. If it does not open, go to:' : 'Log in at:')
  remark(terminal, url)
  if (browser) await openSystemBrowser(url).catch(() => {})
}

async function secretIn(terminal: Terminal, file: string): Promise<string> {
  return file === '-' ? readInput(terminal, 'the client secret') : (await readFile(file, 'utf8')).trim()
}

function needed(value: string | undefined, option: string, what: string): string {
  if (value !== undefined && value !== '') return value
  throw new QlikOAuthError('ERR_CONFIGURATION', `${option} is missing: ${what}.`)
}
