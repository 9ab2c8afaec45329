import { Command } from 'commander'
import { addApiCommand } from './api-command.ts'
import { addClientCommands } from './client-commands.ts'
import { reportFailure } from './failure.ts'
import { addKeyCommands } from './key-commands.ts'
import { addLoginCommands } from './login-commands.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command. @returns Its exit code. */
export async function run(parameters: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('qlik-oauth')
    .description('Log in to Qlik Cloud, register OAuth clients, call the REST API.')
    .option('--tenant <url>', 'origin of the tenant (default: QLIK_TENANT_URL, or the tenant of the last login)')
    .option('--json', 'print answers, and errors, as JSON')
    .exitOverride()
    .configureOutput({ writeOut: text => terminal.stdout.write(text), writeErr: text => terminal.stderr.write(text) })
    .addHelpText('after', help)

  addLoginCommands(program, terminal)
  addClientCommands(program, terminal)
  addApiCommand(program, terminal)
  addKeyCommands(program, terminal)

  try {
    await program.parseAsync(parameters, { from: 'user' })
    return 0
  } catch (error) {
    return reportFailure(terminal, program.opts<{ json?: boolean }>().json ?? false, error)
  }
}

const help = `
Environment:
  QLIK_TENANT_URL             the tenant
  QLIK_NATIVE_CLIENT_ID       the native client that login uses
  QLIK_M2M_CLIENT_ID          act as this machine client instead of the user who logged in, with
  QLIK_M2M_CLIENT_SECRET        its secret, or
  QLIK_M2M_PRIVATE_KEY_FILE     the file of its private JWK

Logins are kept in $XDG_CONFIG_HOME/qlik-oauth/logins.json (~/.config), readable by you alone.

Exit codes:
  0 done   1 unexpected answer   2 wrong usage or configuration   3 refused   4 tenant not reachable   130 interrupted`
