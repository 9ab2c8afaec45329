import { open } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { generateClientKeys } from '../protocol/client-authentication.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import type { Terminal } from './terminal.ts'

/** keys generate: key pairs for clients that sign instead of sending a secret. */
export function addKeyCommands(program: Command, terminal: Terminal): void {
  const keys = program.command('keys').description('keys for clients that authenticate with private_key_jwt')

  keys
    .command('generate')
    .description('make a key pair: the private JWK goes to a file, the public one is printed')
    .requiredOption('--out <file>', 'new file for the private key, readable by you alone')
    .addOption(
      new Option('--algorithm <name>', 'signature algorithm').choices(['ES384', 'RS256', 'RS512']).default('ES384'),
    )
    .option('--key-id <kid>', 'id of the key (default: a random one)')
    .action(async (_options: unknown, command: Command) => {
      const { out, algorithm, keyId } = command.optsWithGlobals<{
        out: string
        algorithm: 'ES384' | 'RS256' | 'RS512'
        keyId?: string
      }>()
      const { privateKey, publicKey } = await generateClientKeys(algorithm, keyId)
      await writeNew(out, `${JSON.stringify(privateKey, undefined, 2)}\n`)
      terminal.stdout.write(`${JSON.stringify(publicKey, undefined, 2)}\n`)
    })
}

/** A private key is never written over another one. */
async function writeNew(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `${path} cannot be made: it exists already, or its directory does not.`,
      { cause },
    )
  })
  try {
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}
