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
  return new JsonLinkRewriter(rewrite, locations)
}

class JsonLinkRewriter implements LinkRewriter {
  readonly #rewrite: (text: string) => string | undefined
  readonly #locations: boolean
  /** What the current container is, and by depth what the containers around it are. */
  #place: Place = start
  readonly #around: Place[] = []
  #depth = 0
  #string: StringKind = none
  #escaped = false
  #expectsKey = false
  #key = ''
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(rewrite: (text: string) => string | undefined, locations: boolean) {
    this.#rewrite = rewrite
    this.#locations = locations
  }

  push(chunk: Buffer): Buffer {
    const out: Buffer[] = []
    const { length } = chunk
    /** Everything before it has been put out or is held. */
    let from = 0
    let string = this.#string
    /** Position of the next backslash, or `length`; looked up for long strings only. */
    let nextBackslash = -1
    for (let index = 0; index < length; index += 1) {
      let byte = chunk[index]
      if (string !== none) {
        if (this.#escaped) {
          this.#escaped = false
          continue
        }
        const begin = index
        const loopEnd = Math.min(begin + longString, length)
        while (byte !== quote && byte !== backslash && index < loopEnd) {
          index += 1
          byte = chunk[index]
        }
        if (index === loopEnd && byte !== quote && byte !== backslash) {
          if (nextBackslash < index) nextBackslash = positionOf(backslash, chunk, index)
          index = Math.min(positionOf(quote, chunk, index), nextBackslash)
          byte = chunk[index]
        }
        // Most keys have another length than those that matter, and need no string of their own.
        if (string === inKey && (this.#key !== '' || byte !== quote || keyLengths[index - begin] === true))
          this.#key += chunk.toString('latin1', begin, Math.min(index, begin + maxKeyBytes))
        if (byte === backslash) {
          this.#escaped = true
          if (string === inKey) this.#key += '\\'
        } else if (byte === quote) {
          if (string === inLink) {
            this.#closeLink(chunk.subarray(from, index), out)
            from = index
          }
          string = none
        }
      } else if (byte === quote) {
        if (this.#expectsKey) {
          string = inKey
          this.#key = ''
          this.#expectsKey = false
        } else if (this.#isLink()) {
          string = inLink
          out.push(chunk.subarray(from, index + 1))
          from = index + 1
        } else string = inValue
      } else if (byte === openBrace || byte === openBracket) this.#open(byte === openBrace)
      else if (byte === closeBrace || byte === closeBracket) this.#close()
      else if (byte === comma) this.#expectsKey = this.#place >= firstWithKeys
    }

    this.#string = string
    if (string === inLink) {
      const rest = chunk.subarray(from)
      this.#held.push(rest)
      this.#heldBytes += rest.length
      if (this.#heldBytes > maxLinkBytes) this.#release(out)
      return joined(out)
    }
    if (from === 0 && out.length === 0) return chunk
    if (from < length) out.push(chunk.subarray(from))
    return joined(out)
  }

  end(): Buffer {
    const out: Buffer[] = []
    this.#release(out)
    return joined(out)
  }

  #closeLink(rest: Buffer, out: Buffer[]): void {
    this.#held.push(rest)
    this.#heldBytes += rest.length
    const replaced = this.#heldBytes > maxLinkBytes ? undefined : this.#rewrite(joined(this.#held).toString())
    if (replaced !== undefined) this.#held = [Buffer.from(replaced)]
    this.#release(out)
  }

  /** Puts out what is held back; the rest of the string is no link any more. */
  #release(out: Buffer[]): void {
    out.push(...this.#held)
    this.#held = []
    this.#heldBytes = 0
    if (this.#string === inLink) this.#string = inValue
  }

  #open(isObject: boolean): void {
    this.#depth += 1
    if (this.#depth > deepest + 1) return
    this.#around[this.#depth] = this.#place
    this.#place = this.#depth > deepest ? other : this.#contained(isObject)
    this.#expectsKey = this.#place >= firstWithKeys
  }

  #close(): void {
    if (this.#depth === 0) return
    if (this.#depth <= deepest + 1) this.#place = this.#around[this.#depth] ?? other
    this.#depth -= 1
    this.#expectsKey = false
  }

  /** What a container is that begins here. */
  #contained(isObject: boolean): Place {
    const place = this.#place
    if (place === start) return isObject ? inDocument : other
    if (place === inDocument && !isObject)
      return this.#key === 'data' || (this.#key === 'results' && this.#locations) ? inData : other
    if (!isObject) return other
    if (place === inData) return inItem
    if ((place === inDocument || place === inItem) && this.#key === 'links') return inLinks
    return place === inLinks ? inOneLink : other
  }

  #isLink(): boolean {
    if (this.#place === inOneLink) return this.#key === 'href'
    return this.#place === inItem && this.#locations && this.#key === 'location'
  }
}

/** What a container is. Only the keys of documents, items, links and one link are looked at. */
type Place = 0 | 1 | 2 | 3 | 4 | 5 | 6
const [start, other, inData, inDocument, inItem, inLinks, inOneLink] = [0, 1, 2, 3, 4, 5, 6] as const
const firstWithKeys = inDocument

type StringKind = 0 | 1 | 2 | 3
const [none, inKey, inValue, inLink] = [0, 1, 2, 3] as const

/** `{data: [{links: {self: {href` */
const deepest = 5
const maxKeyBytes = 16
/** By length: data and href, links, results, location. */
const keyLengths = [false, false, false, false, true, true, false, true, true]
/** From this length on, a native search is faster than a loop. */
const longString = 64
const maxLinkBytes = 16 * 1024
const empty = Buffer.alloc(0)

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d]
const comma = 0x2c

/** @returns The length of the chunk when it does not contain the byte. */
function positionOf(byte: number, chunk: Buffer, from: number): number {
  const position = chunk.indexOf(byte, from)
  return position === -1 ? chunk.length : position
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first = empty] = parts
  return parts.length < 2 ? first : Buffer.concat(parts)
}
