import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'

export interface ClientKeys {
  /** For `privateKeyJwt({ key })`; stays with the application. */
  readonly privateKey: JWK
  /** For `publicKeys` of the registered client. */
  readonly publicKey: JWK
}

/**
 * Makes a key pair for `private_key_jwt`: a P-384 curve for ES384, 3072 bits for RSA. Both halves carry the same `kid`.
 *
 * @param keyId @default a random one
 */
export async function generateClientKeys(
  algorithm: 'ES384' | 'RS256' | 'RS512' = 'ES384',
  keyId: string = randomUUID(),
): Promise<ClientKeys> {
  const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 })
  const described = async (key: typeof pair.privateKey): Promise<JWK> => ({
    ...(await exportJWK(key)),
    kid: keyId,
    alg: algorithm,
    use: 'sig',
  })
  return { privateKey: await described(pair.privateKey), publicKey: await described(pair.publicKey) }
}
