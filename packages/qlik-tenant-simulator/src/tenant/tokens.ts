import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { exportJWK, type JWK, SignJWT } from 'jose'
import { OAuthError } from '../http/oauth-error.ts'
import type { Settings } from './options.ts'

/** The client, user and scope of a token. */
export interface Authority {
  readonly clientId: string
  readonly userId: string
  readonly scope: readonly string[]
  /** Shared by all tokens of one login or one grant. */
  readonly family: string
}

/** `api` for access tokens; the other purposes are for exchanged tokens. */
export type Purpose = 'api' | 'websocket' | 'webresource'

export interface AccessToken extends Authority {
  readonly id: string
  readonly value: string
  readonly purpose: Purpose
  readonly createdAt: number
  readonly expiresAt: number
  readonly description: string
  readonly deviceType: string
}

export interface RefreshToken extends Authority {
  readonly value: string
  readonly expiresAt: number
  readonly authTime: number
  /** Time of the refresh, in milliseconds since the epoch. */
  readonly usedAt: number | undefined
}

export interface AuthorizationCode extends Authority {
  readonly value: string
  readonly redirectUri: string
  readonly challenge: string | undefined
  readonly authTime: number
  readonly expiresAt: number
  readonly used: boolean
}

export interface TokenVault {
  readonly jwks: Promise<{ keys: JWK[] }>
  issueCode(code: Omit<AuthorizationCode, 'value' | 'expiresAt' | 'used'>): AuthorizationCode
  /** Redeems a code. A second attempt revokes the tokens of the first. @throws OAuthError */
  takeCode(value: string, clientId: string): AuthorizationCode
  issueAccessToken(
    authority: Authority,
    about?: { purpose?: Purpose; description?: string; deviceType?: string },
  ): Promise<AccessToken>
  issueRefreshToken(authority: Authority, authTime: number, expiresAt?: number): RefreshToken
  /** The client that a refresh token was issued to, even if the token is used or expired. */
  clientOfRefreshToken(value: string): string | undefined
  /** Redeems a refresh token. Reuse revokes all tokens of the login. @throws OAuthError */
  takeRefreshToken(value: string, clientId: string): RefreshToken
  findAccessToken(value: string): AccessToken | undefined
  findRefreshToken(value: string): RefreshToken | undefined
  liveAccessTokens(): AccessToken[]
  revokeAccessTokens(match: (token: AccessToken) => boolean): AccessToken[]
  revokeRefreshTokens(match: (token: RefreshToken) => boolean): void
  revokeFamily(family: string): AccessToken[]
  expireAccessTokens(): void
  /** Adds a value to `secrets()`. */
  learnSecret(secret: string): void
  /** Every code, token and secret so far. */
  secrets(): string[]
}

/** Creates the store of codes and tokens. A token is valid while it is stored, has not expired and is not revoked. */
export function tokenVault(settings: Settings, issuer: () => string): TokenVault {
  const { now } = settings
  const codes = new Map<string, AuthorizationCode>()
  const accessTokens = new Map<string, AccessToken>()
  const refreshTokens = new Map<string, RefreshToken>()
  const secrets = new Set<string>()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const kid = randomUUID()

  const revokeAccessTokens = (match: (token: AccessToken) => boolean) => {
    const revoked = [...accessTokens.values()].filter(match)
    for (const { value } of revoked) accessTokens.delete(value)
    return revoked
  }
  const revokeRefreshTokens = (match: (token: RefreshToken) => boolean) => {
    for (const token of refreshTokens.values()) if (match(token)) refreshTokens.delete(token.value)
  }
  const revokeFamily = (family: string) => {
    revokeRefreshTokens(token => token.family === family)
    return revokeAccessTokens(token => token.family === family)
  }
  const sweep = () => {
    for (const token of accessTokens.values()) if (token.expiresAt <= now()) accessTokens.delete(token.value)
    for (const token of refreshTokens.values()) if (token.expiresAt <= now()) refreshTokens.delete(token.value)
  }
  const find = <Token extends { readonly expiresAt: number }>(tokens: Map<string, Token>, value: string) => {
    const token = tokens.get(value)
    return token !== undefined && token.expiresAt > now() ? token : undefined
  }

  return {
    jwks: exportJWK(publicKey).then(key => ({ keys: [{ ...key, kid, use: 'sig', alg: 'ES384' }] })),

    issueCode(parameters) {
      const code: AuthorizationCode = {
        ...parameters,
        value: randomSecret(32),
        expiresAt: now() + settings.codeSeconds * 1000,
        used: false,
      }
      codes.set(code.value, code)
      secrets.add(code.value)
      return code
    },

    takeCode(value, clientId) {
      const code = codes.get(value)
      if (code === undefined || code.clientId !== clientId) throw new OAuthError('code', 'Unknown code')
      if (code.used) {
        revokeFamily(code.family)
        throw new OAuthError('code', 'The code was already used')
      }
      codes.set(value, { ...code, used: true })
      if (code.expiresAt <= now()) throw new OAuthError('code', 'The code has expired')
      return code
    },

    async issueAccessToken(authority, { purpose = 'api', description = '', deviceType = '' } = {}) {
      sweep()
      const live = [...accessTokens.values()].filter(
        token => token.userId === authority.userId && token.clientId === authority.clientId && token.purpose === 'api',
      )
      if (purpose === 'api' && live.length >= settings.maxTokensPerUser) {
        throw new OAuthError('too_many_tokens', `The user has ${settings.maxTokensPerUser} tokens of this client`)
      }
      const createdAt = now()
      const expiresAt =
        createdAt + (purpose === 'api' ? settings.accessTokenSeconds : settings.exchangedTokenSeconds) * 1000
      const id = randomUUID()
      const value = await new SignJWT({ subType: 'user', purpose: purpose === 'api' ? 'access_token' : purpose })
        .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid })
        .setJti(id)
        .setIssuedAt(Math.floor(createdAt / 1000))
        .setExpirationTime(Math.ceil(expiresAt / 1000))
        .setAudience('qlik.api')
        .setIssuer(issuer())
        .sign(privateKey)
      const token: AccessToken = { ...authority, id, value, purpose, createdAt, expiresAt, description, deviceType }
      accessTokens.set(value, token)
      secrets.add(value)
      return token
    },

    issueRefreshToken(authority, authTime, expiresAt = now() + settings.refreshTokenSeconds * 1000) {
      const token: RefreshToken = { ...authority, value: randomSecret(48), expiresAt, authTime, usedAt: undefined }
      refreshTokens.set(token.value, token)
      secrets.add(token.value)
      return token
    },

    clientOfRefreshToken: value => refreshTokens.get(value)?.clientId,

    takeRefreshToken(value, clientId) {
      const token = refreshTokens.get(value)
      if (token === undefined || token.clientId !== clientId)
        throw new OAuthError('refresh_token', 'Unknown or revoked refresh token')
      if (token.expiresAt <= now()) throw new OAuthError('refresh_token', 'The refresh token has expired')
      if (!settings.rotateRefreshTokens) return token
      if (token.usedAt !== undefined && now() >= token.usedAt + settings.refreshGraceSeconds * 1000) {
        revokeFamily(token.family)
        throw new OAuthError(
          'refresh_token',
          'The refresh token was already used; all tokens of this login are revoked',
        )
      }
      refreshTokens.set(value, { ...token, usedAt: token.usedAt ?? now() })
      return token
    },

    findAccessToken: value => find(accessTokens, value),
    findRefreshToken: value => find(refreshTokens, value),
    liveAccessTokens() {
      sweep()
      return [...accessTokens.values()].filter(token => token.purpose === 'api')
    },
    revokeAccessTokens,
    revokeRefreshTokens,
    revokeFamily,
    expireAccessTokens() {
      for (const token of accessTokens.values()) accessTokens.set(token.value, { ...token, expiresAt: now() })
    },
    learnSecret: secret => void secrets.add(secret),
    secrets: () => [...secrets],
  }
}

/** The S256 code challenge of a verifier (RFC 7636, section 4.2). */
export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}

function randomSecret(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}
