export type Cell = string | number

/** Prints a Markdown table under a heading. */
export function printTable(title: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const lines = [columns, columns.map(() => '---'), ...rows]
  print(`### ${title}\n\n${lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
