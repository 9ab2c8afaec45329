import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { unlessAborted } from '../protocol/abort.ts'
import { type QlikClient, qlikClient } from '../protocol/client.ts'
import { isGrantRefused, QlikOAuthError } from '../protocol/errors.ts'
import { refreshTokenGrant } from '../protocol/grants.ts'
import { parseJson } from '../protocol/json.ts'
import { configurationError } from '../protocol/option-checks.ts'
import { requestTokens } from '../protocol/token-endpoint.ts'
import { defaultRefreshLeewaySeconds, needsRefresh, refreshedTokens, type TokenSet } from '../protocol/token-set.ts'
import { singleFlight } from '../stores/single-flight.ts'
import { isString, isTokenSet, optional, shape } from '../stores/stored-values.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { fileLock } from './file-lock.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/** A login of this user at one tenant. */
export interface SavedLogin {
  readonly tenant: string
  readonly clientId: string
  readonly clientSecret?: string
  readonly scope: string
  readonly user: { readonly id: string; readonly name?: string }
  readonly tokens: TokenSet
}

/** The logins of this user, in one file that only the user can read. */
export interface SavedLogins {
  readonly path: string
  /** @param tenant @default the tenant of the last login */
  find(tenant: string | undefined): Promise<SavedLogin | undefined>
  save(login: SavedLogin): Promise<void>
  /** @returns The removed login, with the tokens that a command at the same time may have refreshed. */
  remove(tenant: string): Promise<SavedLogin | undefined>
  /** Refreshes the tokens once for all commands that run at the same time, and saves them. */
  tokens(login: SavedLogin, client?: QlikClient): TokenSource
}

/** @param directory Where the file `logins.json` is. */
export function savedLogins(directory: string): SavedLogins {
  const path = join(directory, 'logins.json')
  const lock = (_key: string, leaseMs: number) => fileLock(join(directory, 'logins.lock'), leaseMs)
  const limits = { store: { lock }, leaseMs: 5000, waitMs: 45_000 }
  const refreshOnce = singleFlight<TokenSet>(limits)
  const writeOnce = singleFlight<true>(limits)

  /** Newest first. */
  async function read(): Promise<readonly SavedLogin[]> {
    const text = await readPrivateFile(path)
    if (text === undefined) return []
    const { logins } = parseJson(text) ?? {}
    if (!Array.isArray(logins)) throw configurationError(`${path} is not valid. Delete it and log in again.`)
    return logins.filter(isSavedLogin)
  }

  async function write(edit: (logins: readonly SavedLogin[]) => readonly SavedLogin[]): Promise<true> {
    await writePrivateFile(path, `${JSON.stringify({ logins: edit(await read()) }, undefined, 2)}\n`)
    return true
  }

  async function change(edit: (logins: readonly SavedLogin[]) => readonly SavedLogin[]): Promise<void> {
    await writeOnce(randomUUID(), { lookup: async () => undefined, execute: () => write(edit) })
  }

  function refresh(login: SavedLogin, rejected: string | undefined): Promise<TokenSet> {
    const current = async () => {
      const saved = await find(login.tenant)
      // Another command has logged out.
      if (saved === undefined) throw loginEnded(login)
      return saved
    }
    return refreshOnce(login.tenant, {
      async lookup() {
        const { tokens } = await current()
        return isDue(tokens, rejected) ? undefined : tokens
      },
      async execute() {
        const tokens = await requestRefresh(await current())
        await write(logins => logins.map(one => (one.tenant === login.tenant ? { ...one, tokens } : one)))
        return tokens
      },
    })
  }

  async function find(tenant: string | undefined): Promise<SavedLogin | undefined> {
    return (await read()).find(login => tenant === undefined || login.tenant === tenant)
  }

  return {
    path,
    find,
    save: login => change(logins => [login, ...logins.filter(({ tenant }) => tenant !== login.tenant)]),
    async remove(tenant) {
      let removed: SavedLogin | undefined
      await change(logins => {
        removed = logins.find(login => login.tenant === tenant)
        return logins.filter(login => login.tenant !== tenant)
      })
      return removed
    },
    tokens(login, client) {
      let { tokens } = login
      return {
        tenant: login.tenant,
        client,
        async accessToken({ rejected, signal } = {}) {
          if (isDue(tokens, rejected)) tokens = await unlessAborted(refresh(login, rejected), signal)
          return tokens.accessToken
        },
      }
    },
  }
}

function isDue(tokens: TokenSet, rejected: string | undefined): boolean {
  return tokens.accessToken === rejected || needsRefresh(tokens, Date.now(), defaultRefreshLeewaySeconds * 1000)
}

/** The client of a login. */
export function clientOf(login: Pick<SavedLogin, 'tenant' | 'clientId' | 'clientSecret' | 'scope'>): QlikClient {
  const { tenant, clientId, clientSecret, scope } = login
  return qlikClient({ tenant, clientId, scope, ...(clientSecret === undefined ? {} : { clientSecret }) })
}

async function requestRefresh(login: SavedLogin): Promise<TokenSet> {
  const { refreshToken } = login.tokens
  if (refreshToken === undefined) throw loginEnded(login)
  const client = clientOf(login)
  try {
    return refreshedTokens(login.tokens, await requestTokens(client, refreshTokenGrant(refreshToken)))
  } catch (cause) {
    if (isGrantRefused(cause)) throw loginEnded(login, cause)
    throw cause
  } finally {
    await client.close()
  }
}

function loginEnded({ tenant }: SavedLogin, cause?: unknown): QlikOAuthError {
  const message = `The login at ${tenant} has ended. Run: qlik-oauth login --tenant ${tenant}`
  return new QlikOAuthError('ERR_SESSION_EXPIRED', message, { cause })
}

const isSavedLogin = shape<SavedLogin>({
  tenant: isString,
  clientId: isString,
  clientSecret: optional(isString),
  scope: isString,
  user: shape<SavedLogin['user']>({ id: isString, name: optional(isString) }),
  tokens: isTokenSet,
})
