/**
 * A `Content-Disposition` in ASCII: a file name with other characters moves to `filename*`, and `filename` keeps a
 * fallback. RFC 6266, section 4.3.
 *
 * Node decodes this header once more when it follows `Content-Length`, and throws for characters beyond U+00FF.
 *
 * @param value As received, each byte one character. A file name is read as UTF-8 where it is valid UTF-8, otherwise as
 *   ISO 8859-1.
 */
export function asciiDisposition(value: string): string {
  if (!beyondAscii.test(value)) return value
  const parameters = value.match(parameter) ?? []
  const hasExtendedName = parameters.some(one => extendedName.test(one))
  return parameters.map(one => asciiParameter(one, hasExtendedName)).join(';')
}

function asciiParameter(text: string, hasExtendedName: boolean): string {
  if (!beyondAscii.test(text)) return text
  if (extendedName.test(text)) return text.replace(beyondAsciiCharacters, percentEncoded)
  const decoded = decode(text)
  const found = plainName.exec(decoded)
  if (found === null || hasExtendedName) return fallback(decoded)
  const [, quoted, token = ''] = found
  const plain = fallback(quoted === undefined ? token.trim() : `"${quoted}"`)
  const name = quoted?.replace(/\\(.)/gu, '$1') ?? token.trim()
  return ` filename=${plain}; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, percentEncoded)}`
}

function fallback(text: string): string {
  return text.replace(beyondAsciiCharacters, '_')
}

function decode(bytes: string): string {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return bytes
  }
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const beyondAscii = /\P{ASCII}/u
const beyondAsciiCharacters = /\P{ASCII}/gu
/** Up to a semicolon outside quotes. */
const parameter = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g
const extendedName = /^\s*filename\*\s*=/i
const plainName = /^\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|(.*))/i
