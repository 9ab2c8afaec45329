import { join } from 'node:path'
import { parseJson } from '../protocol/json.ts'
import { isTokenSet } from '../stores/stored-values.ts'
import type { TokenCache } from '../tokens/cached-tokens.ts'
import { fileLock } from './file-lock.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/** Keeps machine tokens between commands, so that the commands of a script share one token. */
export function fileTokenCache(directory: string): TokenCache {
  return {
    saveTokens: (key, tokens) => writePrivateFile(join(directory, `${key}.json`), JSON.stringify(tokens)),
    async readTokens(key) {
      const tokens = parseJson((await readPrivateFile(join(directory, `${key}.json`))) ?? '')
      return isTokenSet(tokens) ? tokens : undefined
    },
    lock: (key, leaseMs) => fileLock(join(directory, `${key}.json.lock`), leaseMs),
  }
}
