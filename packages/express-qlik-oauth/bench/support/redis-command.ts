/** One command on its way to Redis. */
export interface RedisCommand {
  readonly name: string
  /** The kind of its key. */
  readonly about: string
}

/** Parses RESP commands, arrays of bulk strings, in chunks of any size. */
export function commandReader(): (chunk: Buffer) => RedisCommand[] {
  let rest = Buffer.alloc(0)

  return chunk => {
    rest = Buffer.concat([rest, chunk])
    const commands: RedisCommand[] = []
    for (;;) {
      const read = commandAt(rest)
      if (read === undefined) return commands
      rest = rest.subarray(read.end)
      commands.push(named(read.words))
    }
  }
}

function commandAt(buffer: Buffer): { words: string[]; end: number } | undefined {
  const head = lineAt(buffer, 0)
  if (head === undefined) return undefined
  const words: string[] = []
  let at = head.end
  for (let left = Number(head.text.slice(1)); left > 0; left -= 1) {
    const length = lineAt(buffer, at)
    if (length === undefined) return undefined
    const end = length.end + Number(length.text.slice(1))
    if (buffer.length < end + 2) return undefined
    words.push(buffer.toString('latin1', length.end, end))
    at = end + 2
  }
  return { words, end: at }
}

function lineAt(buffer: Buffer, from: number): { text: string; end: number } | undefined {
  const end = buffer.indexOf('\r\n', from)
  return end < 0 ? undefined : { text: buffer.toString('latin1', from, end), end: end + 2 }
}

function named([command = '', ...words]: readonly string[]): RedisCommand {
  const name = command.toUpperCase()
  const key = (name === 'EVALSHA' || name === 'EVAL' ? words[2] : words[0]) ?? ''
  if (key.includes(':heartbeat:')) return { name, about: 'heartbeat' }
  return { name, about: key.startsWith('sess:') ? 'session' : key.slice(key.lastIndexOf(':') + 1) }
}
