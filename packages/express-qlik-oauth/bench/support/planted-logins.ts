import { Redis } from 'ioredis'
import { type LoginRecord, redisLoginStore } from 'qlik-oauth'
import { loginKey } from 'qlik-oauth/internal'
import { accessToken, clientOptions, openIdSessionId, refreshToken, sessionId, tokenKey, userId } from './setting.ts'

/** The record of a new login, with tokens as long as those of Qlik Cloud. */
export function loginRecord(tenant: string, tokens: Partial<LoginRecord['tokens']> = {}, user = userId): LoginRecord {
  const now = Date.now()
  return {
    tenant,
    clientId: clientOptions.clientId,
    user: { id: user, name: 'Bench' },
    tokens: {
      accessToken,
      refreshToken,
      scope: 'user_default offline_access',
      issuedAt: now,
      expiresAt: now + 6 * hourMs,
      ...tokens,
    },
    createdAt: now,
    refreshedAt: now,
    endsAt: now + 12 * hourMs,
  }
}

const hourMs = 3600 * 1000

/** Stores logins in the format of this project. */
export interface Planter {
  plant(session: string, record: LoginRecord): Promise<void>
  close(): Promise<void>
}

export function planter(redisPort: number): Planter {
  const redis = new Redis({ port: redisPort, host: '127.0.0.1' })
  const store = redisLoginStore(redis, { keys: [tokenKey], commandTimeoutMs: 30_000 })
  return {
    plant: (session, record) => store.createLogin(loginKey(session), record, 1800),
    async close() {
      await store.close()
      redis.disconnect()
    },
  }
}

/** Stores the same login for every subject, in its own format. */
export async function plantForAll(redisPort: number, tenant: string): Promise<void> {
  const own = planter(redisPort)
  await own.plant(sessionId, loginRecord(tenant))
  await own.close()

  const redis = new Redis({ port: redisPort, host: '127.0.0.1' })
  const session = { cookie: { originalMaxAge: null, path: '/' }, userId, accessToken, refreshToken }
  await redis.set(`sess:${sessionId}`, JSON.stringify(session), 'EX', 3600)
  const at = Math.floor(Date.now() / 1000)
  const idToken = `${encoded({ alg: 'RS256' })}.${encoded({ iss: tenant, sub: userId, aud: 'bench', exp: at + 3600, iat: at })}.sig`
  const data = {
    id_token: idToken,
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_at: at + 21_600,
  }
  const openIdSession = {
    header: { iat: at, uat: at, exp: at + 3600 },
    data,
    cookie: { expires: (at + 3600) * 1000, maxAge: 3_600_000 },
  }
  await redis.set(`openid:${openIdSessionId}`, JSON.stringify(openIdSession), 'EX', 3600)
  redis.disconnect()
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
