import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { QlikOAuthError } from '../protocol/errors.ts'

/** Encrypts what is stored, so that a dump of the store holds no token. */
export interface Seal {
  /** @param place Where the text will stand; opening it anywhere else fails. */
  seal(text: string, place: string): string
  /** @returns The text, or `undefined` when it was altered, stands in another place, or its key is not in the ring. */
  unseal(sealed: string, place: string): string | undefined
}

/**
 * A seal of AES-256-GCM with a key ring: the first key encrypts, all decrypt.
 *
 * To rotate, append the new key on every process, then move it to the front, then drop the old one once the longest
 * login is over. The envelope is `kid.iv.ciphertext+tag`, base64url; the kid is the beginning of the key's SHA-256, so
 * that no names have to be kept.
 *
 * @param keys 32 bytes each, as bytes or base64.
 * @throws ERR_CONFIGURATION
 */
export function keyRing(keys: readonly (string | Uint8Array)[]): Seal {
  const entries = keys.map(ringEntry)
  const [newest] = entries
  if (newest === undefined)
    throw new QlikOAuthError('ERR_CONFIGURATION', `keys must hold at least one key of 32 bytes, base64. ${makeOne}`)
  const [kid, first] = newest
  const ring = new Map(entries)

  return {
    seal(text, place) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', first, iv).setAAD(Buffer.from(place))
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${kid}.${iv.toString('base64url')}.${sealed.toString('base64url')}`
    },
    unseal(sealed, place) {
      const [sealedWith = '', iv = '', body = '', ...rest] = sealed.split('.')
      const key = ring.get(sealedWith)
      if (key === undefined || rest.length > 0) return undefined
      try {
        const bytes = Buffer.from(body, 'base64url')
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), { authTagLength: 16 })
        decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-16))
        return decipher.update(bytes.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        return undefined
      }
    },
  }
}

function ringEntry(key: string | Uint8Array, index: number): [kid: string, key: Uint8Array] {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key
  if (bytes.length !== 32) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `keys[${index}] must be 32 bytes, base64, got ${bytes.length} bytes. ${makeOne}`,
    )
  }
  return [createHash('sha256').update(bytes).digest('base64url').slice(0, 8), bytes]
}

const makeOne = 'Make one with: openssl rand -base64 32'
