import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { QlikOAuthError } from '../protocol/errors.ts'

/** Encrypts and authenticates stored values, so that a dump of the store contains no token. */
export interface Seal {
  /** The ids of the keys in the ring, newest first. */
  readonly keyIds: readonly string[]
  /** @param associatedData Authenticated with the text, not stored: the same value is needed to unseal. */
  seal(text: string, associatedData: string): string
  /**
   * @returns The text; `undefined` when the envelope was altered, the associated data differ, or its key is not in the
   * ring.
   */
  unseal(envelope: string, associatedData: string): string | undefined
  /** Whether a well-formed envelope names a key that is not in the ring: it belongs to another key ring. */
  isForeign(envelope: string): boolean
}

/**
 * AES-256-GCM with a key ring: the first key seals, every key unseals.
 *
 * To replace a key, append the new one on every process, then move it to the front, then remove the old one after
 * `absoluteSeconds`. The envelope is `<key id>.<iv>.<ciphertext and tag>`, each part base64url. The key id is the
 * beginning of the key's SHA-256.
 *
 * @param keys 32 bytes each, as bytes or base64.
 * @throws ERR_CONFIGURATION without a key, or for a key of another length.
 */
export function keyRing(keys: readonly (string | Uint8Array)[]): Seal {
  const entries = Array.isArray(keys) ? keys.map(ringEntry) : []
  const [newest] = entries
  if (newest === undefined)
    throw new QlikOAuthError('ERR_CONFIGURATION', `keys must contain at least one key of 32 bytes, base64. ${advice}`)
  const [newestId, newestKey] = newest
  const ring = new Map(entries)

  return {
    keyIds: [...ring.keys()],
    seal(text, associatedData) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', newestKey, iv).setAAD(Buffer.from(associatedData))
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${newestId}.${iv.toString('base64url')}.${sealed.toString('base64url')}`
    },
    unseal(envelope, associatedData) {
      const [keyId = '', iv = '', sealed = '', ...rest] = envelope.split('.')
      const key = ring.get(keyId)
      if (key === undefined || rest.length > 0) return undefined
      try {
        const bytes = Buffer.from(sealed, 'base64url')
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), { authTagLength: 16 })
        decipher.setAAD(Buffer.from(associatedData)).setAuthTag(bytes.subarray(-16))
        return decipher.update(bytes.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        return undefined
      }
    },
    isForeign(envelope) {
      const keyId = /^([\w-]{8})\.[\w-]{16}\.[\w-]+$/.exec(envelope)?.[1]
      return keyId !== undefined && !ring.has(keyId)
    },
  }
}

function ringEntry(key: string | Uint8Array, index: number): [keyId: string, key: Uint8Array] {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key
  if (!(bytes instanceof Uint8Array))
    throw new QlikOAuthError('ERR_CONFIGURATION', `keys[${index}] must be 32 bytes, base64. ${advice}`)
  if (bytes.length !== 32) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `keys[${index}] must be 32 bytes, base64, got ${bytes.length} bytes. ${advice}`,
    )
  }
  return [createHash('sha256').update(bytes).digest('base64url').slice(0, 8), bytes]
}

const advice = 'Generate a key with: openssl rand -base64 32'
