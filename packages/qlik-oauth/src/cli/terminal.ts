import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { QlikOAuthError } from '../protocol/errors.ts'

/** What a command has of the world. Answers go to standard output, everything said about them to standard error. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Writable
  readonly signal: AbortSignal
}

/** Prints a value: as JSON for programs, or as lines for people. */
export function print(
  { stdout }: Pick<Terminal, 'stdout'>,
  json: boolean,
  value: unknown,
  lines: () => readonly string[],
): void {
  stdout.write(
    json
      ? `${JSON.stringify(value, undefined, 2)}\n`
      : lines()
          .map(line => `${printable(line)}\n`)
          .join(''),
  )
}

/** Remarks on what was done; never part of the answer. */
export function remark({ stderr }: Pick<Terminal, 'stderr'>, line: string): void {
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

/** Reads all of standard input, such as a secret that must not stand on the command line. */
export async function readInput({ stdin, stderr }: Terminal, what: string): Promise<string> {
  if (stdin.isTTY === true) stderr.write(`Reading ${what} from standard input; end with Ctrl+D.\n`)
  return (await text(stdin)).trim()
}

/** @throws ERR_CONFIGURATION when nobody is there to be asked. */
export async function confirmed(terminal: Terminal, question: string): Promise<boolean> {
  const { stdin, stderr, signal } = terminal
  if (stdin.isTTY !== true)
    throw new QlikOAuthError('ERR_CONFIGURATION', `${question} Nobody is there to answer; say it with --yes.`)
  const reader = createInterface({ input: stdin, output: stderr })
  try {
    return /^y(es)?$/i.test(await reader.question(`${question} [y/N] `, { signal }))
  } finally {
    reader.close()
  }
}

/** Names and descriptions come from the tenant; control characters in them would steer the terminal. */
function printable(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out.
  return line.replace(/[\u0000-\u001f\u007f-\u009f]/g, '�')
}
