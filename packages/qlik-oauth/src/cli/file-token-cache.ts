import { join } from 'node:path'
import { parseJson } from '../protocol/json.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import type { TokenCache } from '../tokens/cached-tokens.ts'
import { fileLock } from './file-lock.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/** Keeps machine tokens between commands, so that the commands of a script share one token. */
export function fileTokenCache(directory: string): TokenCache {
  return {
    saveTokens: (key, tokens) => writePrivateFile(join(directory, `${key}.json`), JSON.stringify(tokens)),
    async readTokens(key) {
      return tokenSet(parseJson((await readPrivateFile(join(directory, `${key}.json`))) ?? ''))
    },
    lock: (key, leaseMs) => fileLock(join(directory, `${key}.json.lock`), leaseMs),
  }
}

/** Reads a token set from JSON. @returns `undefined` for anything else. */
export function tokenSet(json: Record<string, unknown> | undefined): TokenSet | undefined {
  const { accessToken, refreshToken, scope, issuedAt, expiresAt } = json ?? {}
  if (typeof accessToken !== 'string' || typeof issuedAt !== 'number' || typeof expiresAt !== 'number') return undefined
  return {
    accessToken,
    issuedAt,
    expiresAt,
    ...(typeof refreshToken === 'string' ? { refreshToken } : {}),
    ...(typeof scope === 'string' ? { scope } : {}),
  }
}
