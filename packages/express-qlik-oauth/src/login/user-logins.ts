import { ignoreForeign, type ListedLogin, type Login, type Logins } from 'qlik-oauth/internal'
import { invalidOption } from '../http/options/option-checks.ts'
import type { TenantRegistry } from './context/tenant-registry.ts'

/** A login as its owner or an administrator sees it. */
export interface LoginSummary {
  /** Identifies the login; not secret, and no session id. */
  readonly id: string
  /** Origin of the tenant. */
  readonly tenant: string
  /** `req.ip` at the login. */
  readonly address?: string
  /** `User-Agent` at the login, up to 256 characters. The browser chooses it: escape it in a page. */
  readonly userAgent?: string
  readonly createdAt: Date
  readonly refreshedAt: Date
  /** Last request or socket traffic, to within a tenth of `idleSeconds`, and `cacheSeconds`. */
  readonly lastUsedAt: Date
  /** When the login ends, regardless of activity. */
  readonly endsAt: Date
}

/** Lists and ends the logins of the users of this application. Those of other clients and keys are left alone. */
export interface UserLogins {
  /**
   * Lists the logins of a user of this application.
   *
   * @param userId Qlik's user id.
   * @param tenant Origin of the tenant. @default all tenants
   * @throws ERR_STORE_UNAVAILABLE
   */
  logins(userId: string, tenant?: string): Promise<readonly LoginSummary[]>
  /**
   * Ends one login: REST and sockets in every process, within a second.
   *
   * @param id `id` of `logins()`.
   * @param userId Ends the login only if it is this user's. Pass it where users end their own logins.
   * @returns Whether a login was ended; false for one that has ended already, or is not this application's.
   * @throws ERR_CONFIGURATION for a `userId` that is given and no string: `undefined` would end the login of any user;
   * ERR_STORE_UNAVAILABLE
   */
  endLogin(id: string, userId?: string): Promise<boolean>
  /**
   * Ends all logins of a user of this application: REST and sockets in every process, within a second.
   *
   * @returns The number of logins that were ended.
   * @throws ERR_STORE_UNAVAILABLE
   */
  endLogins(userId: string, tenant?: string): Promise<number>
}

export function userLogins(logins: Logins, tenants: TenantRegistry): UserLogins {
  /** Another deployment with the same Redis and keys, but another client, has logins of the same users. */
  const isOurs = ({ record }: Login) => tenants.ofRecord(record) !== undefined

  async function listed(userId: string, tenant: string | undefined): Promise<readonly ListedLogin[]> {
    const origins = tenant === undefined ? tenants.all.map(({ client }) => client.tenant) : [tenant]
    const found = await Promise.all(origins.map(origin => logins.list(origin, userId)))
    return found.flat().filter(isOurs)
  }

  return {
    logins: async (userId, tenant) => (await listed(userId, tenant)).map(summary),
    async endLogin(id, ...owner) {
      const [userId] = owner
      if (owner.length > 0 && typeof userId !== 'string') throw invalidOption('userId', "the user's id", userId)
      if (!isLoginId(id)) return false
      const login = await logins.peek(id).catch(ignoreForeign)
      if (login === undefined || !isOurs(login)) return false
      if (userId !== undefined && login.record.user.id !== userId) return false
      return logins.end(id, 'administrator')
    },
    async endLogins(userId, tenant) {
      const keys = (await listed(userId, tenant)).map(({ key }) => key)
      const ended = await Promise.all(keys.map(key => logins.end(key, 'administrator')))
      return ended.filter(Boolean).length
    },
  }
}

function summary({ key, record, lastUsedAt }: ListedLogin): LoginSummary {
  return {
    id: key,
    tenant: record.tenant,
    ...(record.address === undefined ? {} : { address: record.address }),
    ...(record.userAgent === undefined ? {} : { userAgent: record.userAgent }),
    createdAt: new Date(record.createdAt),
    refreshedAt: new Date(record.refreshedAt),
    lastUsedAt: new Date(lastUsedAt),
    endsAt: new Date(record.endsAt),
  }
}

/** A SHA-256 hash in base64url. */
function isLoginId(id: unknown): id is string {
  return typeof id === 'string' && /^[\w-]{43}$/.test(id)
}
