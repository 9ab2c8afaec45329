/** Rewrites the links in a JSON document that passes by in pieces. */
export interface LinkRewriter {
  /** @returns What can go on: the same bytes in the same memory where nothing was rewritten. */
  push(chunk: Buffer): Buffer
  /** @returns What was still held back when the document ended. */
  end(): Buffer
}

/**
 * Finds the strings at `links.*.href`, at any depth, and leaves every other byte as it is. `links` may also be a list,
 * or hold lists, of objects with `href`, or hold the links as strings.
 *
 * Paging follows these links as they stand, so they must lead to the proxy. Outside of `links` the document is only
 * searched for the key, which costs next to nothing; inside, brackets and strings are followed byte by byte. At most
 * one link is held back.
 *
 * @param rewrite Gets the inside of a JSON string, escapes and all; `undefined` leaves it as it is.
 */
export function linkRewriter(rewrite: (text: string) => string | undefined): LinkRewriter {
  /** How much of the key has been seen at the end of the last chunk. */
  let matched = 0
  let backslashes = 0
  let state: 'search' | 'colon' | 'brace' | 'inside' | 'done' = 'search'

  /** The containers around the current byte, the `links` object first. */
  let stack: number[] = []
  let string: 'none' | 'key' | 'value' | 'href' = 'none'
  let escaped = false
  let expectKey = false
  let key = ''
  let held: Buffer[] = []
  let heldBytes = 0

  return {
    push(chunk) {
      const out: Buffer[] = []
      /** Everything before it has been put out or is held. */
      let from = 0
      let at = 0

      while (at < chunk.length) {
        if (state === 'search') at = search(chunk, at)
        else if (state === 'colon' || state === 'brace') at = follow(chunk, at)
        else if (state === 'inside') at = inside(chunk, at)
        else at = chunk.length
      }
      if (string === 'href') {
        const rest = chunk.subarray(from)
        held.push(rest)
        heldBytes += rest.length
        if (heldBytes > longestHref) release(out)
        return joined(out)
      }
      if (from === 0 && out.length === 0) return chunk
      if (from < chunk.length) out.push(chunk.subarray(from))
      return joined(out)

      function inside(bytes: Buffer, start: number): number {
        let index = start
        for (; index < bytes.length; index += 1) {
          const byte = bytes[index]
          if (string !== 'none') {
            if (escaped) escaped = false
            else if (byte === quote) closeString(bytes, index)
            else {
              escaped = byte === backslash
              if (string === 'key' && key.length <= longestKey) key += String.fromCharCode(byte ?? 0)
            }
            continue
          }
          const top = stack[stack.length - 1] ?? 0
          if (byte === quote) openString(bytes, index, top)
          else if (byte === openBrace || byte === openBracket) {
            if (stack.length === deepest) {
              state = 'done'
              return bytes.length
            }
            stack.push(contents(top, byte === openBrace))
            expectKey = byte === openBrace
          } else if (byte === closeBrace || byte === closeBracket) {
            stack.pop()
            expectKey = false
            if (stack.length === 0) {
              state = 'search'
              backslashes = 0
              return index + 1
            }
          } else if (byte === comma) expectKey = (top & object) !== 0
        }
        return index
      }

      function openString(bytes: Buffer, index: number, top: number): void {
        if (expectKey) {
          string = 'key'
          key = ''
          expectKey = false
        } else if (((top & link) !== 0 && key === 'href') || (top & linksObject) === linksObject) {
          string = 'href'
          out.push(bytes.subarray(from, index + 1))
          from = index + 1
        } else string = 'value'
      }

      function closeString(bytes: Buffer, index: number): void {
        if (string === 'href') {
          held.push(bytes.subarray(from, index))
          heldBytes += index - from
          const replaced = heldBytes > longestHref ? undefined : rewrite(joined(held).toString())
          if (replaced === undefined) release(out)
          else out.push(Buffer.from(replaced))
          held = []
          heldBytes = 0
          from = index
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

  /** Looks for the key `"links"` whose first quote is not itself escaped. */
  function search(chunk: Buffer, start: number): number {
    let at = start
    while (matched > 0 && at < chunk.length) {
      const byte = chunk[at]
      if (byte === linksKey[matched]) {
        matched += 1
        at += 1
        if (matched === linksKey.length) return found(at)
      } else if (byte === quote) {
        matched = 1
        at += 1
      } else {
        matched = 0
        backslashes = 0
      }
    }
    if (at >= chunk.length) return at

    for (let index = chunk.indexOf(linksKey, at); index !== -1; index = chunk.indexOf(linksKey, index + 1)) {
      if (backslashesBefore(chunk, index, at) % 2 === 0) return found(index + linksKey.length)
    }
    const tail = partial(chunk, at)
    matched = tail > 0 && backslashesBefore(chunk, chunk.length - tail, at) % 2 === 0 ? tail : 0
    backslashes = matched > 0 ? 0 : backslashesBefore(chunk, chunk.length, at)
    return chunk.length
  }

  function found(next: number): number {
    matched = 0
    backslashes = 0
    state = 'colon'
    return next
  }

  function backslashesBefore(chunk: Buffer, index: number, start: number): number {
    let count = 0
    while (index - count > start && chunk[index - count - 1] === backslash) count += 1
    return index - count === start ? count + (start === 0 ? backslashes : 0) : count
  }

  /** A key is followed by a colon, and links stand in an object or in a list. */
  function follow(chunk: Buffer, start: number): number {
    for (let at = start; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === space || byte === tab || byte === lineFeed || byte === carriageReturn) continue
      if (state === 'colon' && byte === colon) {
        state = 'brace'
        continue
      }
      if (state === 'brace' && (byte === openBrace || byte === openBracket)) {
        state = 'inside'
        expectKey = byte === openBrace
        stack = [expectKey ? linksObject : links]
        return at + 1
      }
      state = 'search'
      return at
    }
    return chunk.length
  }

  function contents(parent: number, isObject: boolean): number {
    const ofLinks = (parent & links) !== 0
    const isLinks = (parent & object) !== 0 && (key === 'links' || (ofLinks && !isObject))
    return (isObject ? object : 0) | (isLinks ? links : 0) | (isObject && ofLinks ? link : 0)
  }

  function release(out: Buffer[]): void {
    out.push(...held)
    held = []
    heldBytes = 0
    if (string === 'href') string = 'value'
  }
}

/** What a container is: an object, what holds links, one link. */
const object = 1
const links = 2
const link = 4
const linksObject = object | links

/** Without these bytes a document holds nothing to rewrite. */
export const linksKey = Buffer.from('"links"')
const longestKey = 8
const longestHref = 16 * 1024
const deepest = 512
const empty = Buffer.alloc(0)

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d]
const [colon, comma, space, tab, lineFeed, carriageReturn] = [0x3a, 0x2c, 0x20, 0x09, 0x0a, 0x0d]

/** How many bytes at the end of the chunk may be the beginning of the key. */
function partial(chunk: Buffer, start: number): number {
  for (let length = Math.min(linksKey.length - 1, chunk.length - start); length > 0; length -= 1) {
    if (linksKey.compare(chunk, chunk.length - length, chunk.length, 0, length) === 0) return length
  }
  return 0
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first = empty] = parts
  return parts.length < 2 ? first : Buffer.concat(parts)
}
