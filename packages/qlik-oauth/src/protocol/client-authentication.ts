import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, importJWK, importPKCS8, type JWK, SignJWT } from 'jose'
import { isObject } from './json.ts'
import { configurationError, identifier, invalidOption, rejectUnknownOptions, secretText } from './option-checks.ts'

/** The parameters and headers of a token request that authenticate the client. */
export interface ClientAuthenticationParameters {
  readonly parameters: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** How a client authenticates at the token endpoint. RFC 6749, section 2.3. */
export interface ClientAuthentication {
  /** False for a public client, which does not authenticate. */
  readonly confidential: boolean
  /** @param audience Absolute URL of the token endpoint. */
  authenticate(clientId: string, audience: string): Promise<ClientAuthenticationParameters>
}

/**
 * Sends the secret in the body, as Qlik's examples do (`client_secret_post`).
 *
 * @throws ERR_CONFIGURATION for anything but a non-empty string of visible ASCII characters.
 */
export function clientSecretPost(clientSecret: string): ClientAuthentication {
  checkSecret(clientSecret)
  return {
    confidential: true,
    authenticate: async clientId => ({ parameters: { client_id: clientId, client_secret: clientSecret } }),
  }
}

/**
 * Sends client id and secret in the `Authorization` header (`client_secret_basic`), both form-encoded. RFC 6749,
 * section 2.3.1.
 *
 * @throws ERR_CONFIGURATION for anything but a non-empty string of visible ASCII characters.
 */
export function clientSecretBasic(clientSecret: string): ClientAuthentication {
  checkSecret(clientSecret)
  return {
    confidential: true,
    async authenticate(clientId) {
      const credentials = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
      return { parameters: { client_id: clientId }, headers: { authorization: `Basic ${credentials}` } }
    },
  }
}

/**
 * Sends the client id alone, for single-page and native applications, which cannot keep a secret. RFC 7591, section 2:
 * method `none`.
 */
export function noClientAuthentication(): ClientAuthentication {
  return { confidential: false, authenticate: async clientId => ({ parameters: { client_id: clientId } }) }
}

/** A signature algorithm that Qlik accepts for `private_key_jwt`. */
export type KeyAlgorithm = 'ES384' | 'RS256' | 'RS512'

export interface PrivateKeyOptions {
  /** The private key: a JWK, or PKCS#8 in PEM. */
  readonly key: JWK | string
  /** Id under which the public key is registered at the tenant. @default the `kid` of the JWK */
  readonly keyId?: string
  /** @default the `alg` of the JWK */
  readonly algorithm?: KeyAlgorithm
}

/**
 * Signs a client assertion with the private key (`private_key_jwt`, RFC 7523). Each assertion has a `jti` of its own
 * and is valid for five minutes.
 *
 * @throws ERR_CONFIGURATION without a key id or algorithm; at the first token request for a key that cannot be read.
 */
export function privateKeyJwt(options: PrivateKeyOptions): ClientAuthentication {
  rejectUnknownOptions('privateKeyJwt', options, ['key', 'keyId', 'algorithm'])
  const { key } = options
  // The key is secret, so the message does not repeat it.
  if (!isObject(key) && (typeof key !== 'string' || key === ''))
    throw configurationError('key of privateKeyJwt must be a private key: a JWK or PKCS#8 in PEM.')
  const { kid: ownId, alg: ownAlgorithm }: JWK = typeof key === 'object' ? key : {}
  const { keyId = ownId, algorithm: alg = ownAlgorithm } = options
  if (keyId === undefined)
    throw configurationError('privateKeyJwt needs a keyId: the id of the public key that is registered at the tenant.')
  const kid = identifier('keyId', keyId)
  if (alg !== 'ES384' && alg !== 'RS256' && alg !== 'RS512')
    throw invalidOption('algorithm of privateKeyJwt', 'ES384, RS256 or RS512', alg)
  const signingKey = (typeof key === 'string' ? importPKCS8(key, alg) : importJWK(key, alg)).catch(cause => {
    throw configurationError(`key of privateKeyJwt must be a private key for ${alg}: a JWK or PKCS#8 in PEM.`, cause)
  })
  // The first token request reports the failure.
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
  /** For `privateKeyJwt({ key })`. Keep it secret. */
  readonly privateKey: JWK
  /** For `publicKeys` of the registered client. */
  readonly publicKey: JWK
}

/**
 * Generates a key pair for `private_key_jwt`: on the curve P-384 for ES384, with 3072 bits for RSA. Both keys have the
 * same `kid`.
 *
 * @param algorithm @default 'ES384'
 * @param keyId @default a random UUID
 */
export async function generateClientKeys(
  algorithm: KeyAlgorithm = 'ES384',
  keyId: string = randomUUID(),
): Promise<ClientKeys> {
  const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 })
  const exported = async (key: typeof pair.privateKey): Promise<JWK> => ({
    ...(await exportJWK(key)),
    kid: keyId,
    alg: algorithm,
    use: 'sig',
  })
  return { privateKey: await exported(pair.privateKey), publicKey: await exported(pair.publicKey) }
}

function checkSecret(secret: unknown): void {
  secretText('clientSecret', secret, 'For a client without a secret, omit it.')
}

function formEncode(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1)
}
