import { open } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { generateClientKeys, type KeyAlgorithm } from '../protocol/client-authentication.ts'
import { configurationError } from '../protocol/option-checks.ts'
import type { Terminal } from './terminal.ts'

/** The command `keys generate`: key pairs for clients that authenticate with a signature. */
export function addKeyCommands(program: Command, terminal: Terminal): void {
  const keys = program.command('keys').description('keys for clients that authenticate with private_key_jwt')

  keys
    .command('generate')
    .description('generate a key pair: the private JWK is written to a file, the public one is printed')
    .requiredOption('--out <file>', 'new file for the private key, readable by you alone')
    .addOption(
      new Option('--algorithm <name>', 'signature algorithm').choices(['ES384', 'RS256', 'RS512']).default('ES384'),
    )
    .option('--key-id <kid>', 'id of the key (default: a random UUID)')
    .action(async (_options: unknown, command: Command) => {
      const { out, algorithm, keyId } = command.optsWithGlobals<{
        out: string
        algorithm: KeyAlgorithm
        keyId?: string
      }>()
      const { privateKey, publicKey } = await generateClientKeys(algorithm, keyId)
      await writeNewFile(out, `${JSON.stringify(privateKey, undefined, 2)}\n`)
      terminal.stdout.write(`${JSON.stringify(publicKey, undefined, 2)}\n`)
    })
}

/** Never overwrites a file: it may be another private key. */
async function writeNewFile(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw configurationError(`Cannot create ${path}: the file exists, or its directory does not.`, cause)
  })
  try {
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}
