import { Command } from 'commander'
import { addApiCommand } from './api-command.ts'
import { addClientCommands } from './client-commands.ts'
import { reportFailure } from './failure.ts'
import { addKeyCommands } from './key-commands.ts'
import { addLoginCommands } from './login-commands.ts'
import type { GlobalOptions, Terminal } from './terminal.ts'
import { configDirectory } from './user-directories.ts'

/**
 * Runs one command.
 *
 * @param parameters The command line, without the name of the program.
 * @returns The exit code.
 */
export async function run(parameters: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('qlik-oauth')
    .description('Log in to Qlik Cloud, register OAuth clients, call the REST API.')
    .option('--tenant <url>', 'origin of the tenant (default: QLIK_TENANT_URL, or the tenant of the last login)')
    .option('--json', 'print results and errors as JSON')
    .exitOverride()
    .configureOutput({ writeOut: text => terminal.stdout.write(text), writeErr: text => terminal.stderr.write(text) })
    .addHelpText('after', () => help(configDirectory(terminal)))

  addLoginCommands(program, terminal)
  addClientCommands(program, terminal)
  addApiCommand(program, terminal)
  addKeyCommands(program, terminal)

  try {
    await program.parseAsync(parameters, { from: 'user' })
    return 0
  } catch (error) {
    return reportFailure(terminal, program.opts<GlobalOptions>().json ?? false, error)
  }
}

function help(directory: string): string {
  return `
Environment:
  QLIK_TENANT_URL             the tenant
  QLIK_NATIVE_CLIENT_ID       the native client of "login"
  QLIK_M2M_CLIENT_ID          act as this machine client instead of the logged-in user, with
  QLIK_M2M_CLIENT_SECRET        its secret, or
  QLIK_M2M_PRIVATE_KEY_FILE     the file of its private JWK
  HTTPS_PROXY, NO_PROXY       the proxy on the way to the tenant, and hosts without it
  NODE_EXTRA_CA_CERTS         file of further certificate authorities
  XDG_CONFIG_HOME             parent directory of the saved logins
  XDG_CACHE_HOME              parent directory of cached machine tokens

Logins are saved in ${directory}, readable by you alone.

Exit codes:
  0 done   1 unexpected response   2 invalid usage or configuration   3 refused   4 tenant unreachable   130 interrupted`
}
