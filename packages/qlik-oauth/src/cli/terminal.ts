import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { configurationError } from '../protocol/option-checks.ts'

/** The environment and the streams of a command. Results go to standard output, messages to standard error. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborts when the user interrupts the command. */
  readonly signal: AbortSignal
}

/** Options of every command. */
export interface GlobalOptions {
  readonly tenant?: string
  readonly json?: boolean
}

/** Prints the result: with --json as JSON, otherwise as lines. */
export function print(
  { stdout }: Pick<Terminal, 'stdout'>,
  json: boolean,
  value: unknown,
  lines: () => readonly string[],
): void {
  const shown = json ? [JSON.stringify(value, undefined, 2)] : lines().map(printable)
  stdout.write(shown.map(line => `${line}\n`).join(''))
}

/** Prints a message that is not part of the result. */
export function printMessage({ stderr }: Pick<Terminal, 'stderr'>, line: string): void {
  stderr.write(`${printable(line)}\n`)
}

/** Rows with aligned columns. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/**
 * Reads all of standard input, such as a secret, which must not be on the command line.
 *
 * @param what As in "Reading the client secret from standard input".
 */
export async function readInput({ stdin, stderr }: Terminal, what: string): Promise<string> {
  if (stdin.isTTY === true) stderr.write(`Reading ${what} from standard input; end with Ctrl+D.\n`)
  return (await text(stdin)).trim()
}

/** Asks a yes-or-no question. @throws ERR_CONFIGURATION when standard input is not a terminal. */
export async function confirmed(terminal: Terminal, question: string): Promise<boolean> {
  const { stdin, stderr, signal } = terminal
  if (stdin.isTTY !== true) throw configurationError(`${question} Not a terminal: pass --yes to confirm.`)
  const reader = createInterface({ input: stdin, output: stderr })
  try {
    return /^y(es)?$/i.test(await reader.question(`${question} [y/N] `, { signal }))
  } finally {
    reader.close()
  }
}

/** Replaces control characters: names and descriptions come from the tenant, and could control the terminal. */
function printable(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace.
  return line.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�')
}
