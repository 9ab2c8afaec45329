/** Rewrites the links in a JSON document that passes by in pieces. */
export interface LinkRewriter {
  /** @returns What can be sent: the same bytes in the same memory where nothing was rewritten. */
  push(chunk: Buffer): Buffer
  /** @returns What was still held back when the document ended. */
  end(): Buffer
}

/**
 * Rewrites links where Qlik documents them, and leaves every other byte as it is: `links.*.href` of the document and of
 * the items of its `data`, and the `location` of finished reports. Everything else is data of users.
 *
 * At most one link is held back.
 *
 * @param rewrite Gets the inside of a JSON string with its escapes; `undefined` leaves it as it is.
 * @param locations Whether the document describes a report, whose `results[].location` and `data[].location` are links.
 */
export function linkRewriter(rewrite: (text: string) => string | undefined, locations = false): LinkRewriter {
  /** What the current container is, and by depth what the containers around it are. */
  let place: Place = 'start'
  const around: Place[] = []
  let depth = 0
  let string: 'none' | 'key' | 'value' | 'link' = 'none'
  let escaped = false
  let expectsKey = false
  let key = ''
  let held: Buffer[] = []
  let heldBytes = 0

  return {
    push(chunk) {
      const out: Buffer[] = []
      /** Everything before it has been put out or is held. */
      let from = 0
      let at = 0
      while (at < chunk.length) at = string === 'none' ? structure(at) : insideString(at)

      if (string === 'link') {
        const rest = chunk.subarray(from)
        held.push(rest)
        heldBytes += rest.length
        if (heldBytes > maxLinkBytes) release(out)
        return joined(out)
      }
      if (from === 0 && out.length === 0) return chunk
      if (from < chunk.length) out.push(chunk.subarray(from))
      return joined(out)

      /** @returns Where the next string begins. */
      function structure(start: number): number {
        for (let index = start; index < chunk.length; index += 1) {
          const byte = chunk[index]
          if (byte === quote) {
            openString(index + 1)
            return index + 1
          }
          if (byte === openBrace || byte === openBracket) open(byte === openBrace)
          else if (byte === closeBrace || byte === closeBracket) close()
          else if (byte === comma) expectsKey = objects.has(place)
        }
        return chunk.length
      }

      /** @returns Where the string ends. */
      function insideString(start: number): number {
        let index = start
        if (escaped) {
          escaped = false
          index += 1
        }
        for (; index < chunk.length; index += 1) {
          const byte = chunk[index]
          if (byte === quote) {
            if (string === 'key') key += chunk.toString('latin1', start, Math.min(index, start + maxKeyBytes))
            closeString(index)
            return index + 1
          }
          if (byte === backslash) {
            index += 1
            if (index === chunk.length) escaped = true
          }
        }
        if (string === 'key') key += chunk.toString('latin1', start, Math.min(chunk.length, start + maxKeyBytes))
        return chunk.length
      }

      function openString(start: number): void {
        if (expectsKey) {
          string = 'key'
          key = ''
          expectsKey = false
        } else if (isLink()) {
          string = 'link'
          out.push(chunk.subarray(from, start))
          from = start
        } else string = 'value'
      }

      function closeString(end: number): void {
        if (string === 'link') {
          held.push(chunk.subarray(from, end))
          heldBytes += end - from
          const replaced = heldBytes > maxLinkBytes ? undefined : rewrite(joined(held).toString())
          if (replaced === undefined) release(out)
          else out.push(Buffer.from(replaced))
          held = []
          heldBytes = 0
          from = end
        }
        string = 'none'
      }
    },
    end() {
      const out: Buffer[] = []
      release(out)
      return joined(out)
    },
  }

  function open(isObject: boolean): void {
    depth += 1
    if (depth > deepest) {
      if (depth === deepest + 1) around[depth] = place
      place = 'other'
      expectsKey = false
      return
    }
    around[depth] = place
    place = contained(isObject)
    expectsKey = isObject
  }

  function close(): void {
    if (depth === 0) return
    if (depth <= deepest + 1) place = around[depth] ?? 'other'
    depth -= 1
    expectsKey = false
  }

  /** What a container is that begins here. */
  function contained(isObject: boolean): Place {
    if (place === 'start') return isObject ? 'document' : 'other'
    if (place === 'document' && !isObject) {
      if (key === 'data') return 'data'
      return key === 'results' && locations ? 'data' : 'other'
    }
    if (place === 'data' && isObject) return 'item'
    if (!isObject) return 'other'
    if ((place === 'document' || place === 'item') && key === 'links') return 'links'
    return place === 'links' ? 'link' : 'object'
  }

  function isLink(): boolean {
    return (place === 'link' && key === 'href') || (place === 'item' && locations && key === 'location')
  }

  function release(out: Buffer[]): void {
    out.push(...held)
    held = []
    heldBytes = 0
    if (string === 'link') string = 'value'
  }
}

/** What a container is: the document, its list of items, one item, its links, one link, or nothing of interest. */
type Place = 'start' | 'document' | 'data' | 'item' | 'links' | 'link' | 'object' | 'other'
const objects: ReadonlySet<Place> = new Set<Place>(['document', 'item', 'links', 'link', 'object'])

/** `{data: [{links: {self: {href` */
const deepest = 5
const maxKeyBytes = 16
const maxLinkBytes = 16 * 1024
const empty = Buffer.alloc(0)

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d]
const comma = 0x2c

function joined(parts: readonly Buffer[]): Buffer {
  const [first = empty] = parts
  return parts.length < 2 ? first : Buffer.concat(parts)
}
