import type { QlikClient } from './client.ts'
import { messageOf, QlikOAuthError } from './errors.ts'
import { revokeToken } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'

/**
 * Ends what can be ended at the tenant within a short time. A tenant that does not answer keeps nobody logged in here.
 */
export async function revokeTokens(
  client: QlikClient,
  tokens: TokenSet,
  failed: (message: string) => void,
): Promise<void> {
  const revoke = async (token: string, hint: 'access_token' | 'refresh_token') => {
    try {
      await revokeToken(client, token, hint, { signal: AbortSignal.timeout(3000) })
    } catch (error) {
      failed(error instanceof QlikOAuthError ? error.message : `The tokens could not be revoked: ${messageOf(error)}`)
    }
  }
  await Promise.all([
    tokens.refreshToken === undefined ? undefined : revoke(tokens.refreshToken, 'refresh_token'),
    revoke(tokens.accessToken, 'access_token'),
  ])
}
