import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, importJWK, importPKCS8, type JWK, SignJWT } from 'jose'
import { QlikOAuthError } from './errors.ts'

/** What one token request carries to prove which client sends it. */
export interface ClientCredentials {
  readonly parameters: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A way for a client to prove itself to the token endpoint. */
export interface ClientAuthentication {
  /** A public client proves nothing. */
  readonly confidential: boolean
  /** @param audience Absolute URL of the token endpoint. */
  authenticate(clientId: string, audience: string): Promise<ClientCredentials>
}

/** Sends the secret in the body, as Qlik's own examples do (`client_secret_post`). */
export function clientSecret(secret: string): ClientAuthentication {
  checkSecret(secret)
  return {
    confidential: true,
    authenticate: async clientId => ({ parameters: { client_id: clientId, client_secret: secret } }),
  }
}

/**
 * Sends id and secret in an Authorization header (`client_secret_basic`), both form-encoded as RFC 6749 section 2.3.1
 * demands.
 */
export function clientSecretBasic(secret: string): ClientAuthentication {
  checkSecret(secret)
  return {
    confidential: true,
    authenticate: async clientId => ({
      parameters: { client_id: clientId },
      headers: {
        authorization: `Basic ${Buffer.from(`${formEncode(clientId)}:${formEncode(secret)}`).toString('base64')}`,
      },
    }),
  }
}

/** Sends the client id alone: single-page and native clients, which can keep no secret. */
export function publicClient(): ClientAuthentication {
  return { confidential: false, authenticate: async clientId => ({ parameters: { client_id: clientId } }) }
}

export interface PrivateKeyOptions {
  /** The private key: a JWK, or PKCS#8 in PEM. */
  readonly key: JWK | string
  /** Id under which the public key is registered at the tenant. @default the JWK's own `kid` */
  readonly keyId?: string
  /** @default the JWK's own `alg` */
  readonly algorithm?: 'ES384' | 'RS256' | 'RS512'
}

/**
 * Signs an assertion with the client's private key (`private_key_jwt`, RFC 7523): five minutes long, a new `jti` each
 * time.
 *
 * @throws ERR_CONFIGURATION when key id or algorithm are missing, or the key cannot be read.
 */
export function privateKeyJwt({ key, keyId, algorithm }: PrivateKeyOptions): ClientAuthentication {
  const kid = keyId ?? (typeof key === 'object' ? key.kid : undefined)
  const alg = algorithm ?? (typeof key === 'object' ? key.alg : undefined)
  if (kid === undefined)
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      'privateKey needs a keyId: the id under which the public key is registered at the tenant.',
    )
  if (alg !== 'ES384' && alg !== 'RS256' && alg !== 'RS512') {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `privateKey needs the algorithm ES384, RS256 or RS512, got ${JSON.stringify(alg)}.`,
    )
  }
  const signingKey = (typeof key === 'string' ? importPKCS8(key, alg) : importJWK(key, alg)).catch(cause => {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `privateKey cannot be read as a private key for ${alg}: give a JWK or PKCS#8 PEM.`,
      {
        cause,
      },
    )
  })
  signingKey.catch(() => {})

  return {
    confidential: true,
    async authenticate(clientId, audience) {
      const assertion = await new SignJWT()
        .setProtectedHeader({ alg, kid, typ: 'JWT' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(audience)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(await signingKey)
      return {
        parameters: {
          client_id: clientId,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        },
      }
    },
  }
}

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

function checkSecret(secret: unknown): void {
  if (typeof secret !== 'string' || secret === '') {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      'clientSecret must be a text. A client without a secret is a publicClient().',
    )
  }
}

function formEncode(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1)
}
