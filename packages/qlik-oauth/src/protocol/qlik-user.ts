import type { QlikClient } from './client.ts'
import { QlikOAuthError } from './errors.ts'
import { parseJson } from './json.ts'

/** A user of the tenant, as `GET /api/v1/users/me` tells. With narrow scopes Qlik leaves fields out. */
export interface QlikUser {
  readonly id: string
  readonly name?: string
  readonly email?: string
  readonly subject?: string
  readonly tenantId?: string
}

/**
 * Asks the tenant whose access token this is. Tokens are opaque and carry no identity.
 *
 * @throws ERR_TENANT_RESPONSE and the errors of the connection.
 */
export async function currentUser(client: QlikClient, accessToken: string, signal?: AbortSignal): Promise<QlikUser> {
  let path = '/api/v1/users/me'
  // The reference documents a redirect to /users/{id} without its status; the token follows on this host only.
  for (let hops = 0; hops < 3; hops++) {
    const answer = await client.http.request({ path, headers: { authorization: `Bearer ${accessToken}` }, signal })
    if (answer.status === 200) return qlikUser(parseJson(answer.text), client.tenant)
    const location = answer.headers.location
    if (answer.status < 300 || answer.status > 399 || typeof location !== 'string') {
      throw new QlikOAuthError(
        'ERR_TENANT_RESPONSE',
        `${client.tenant} answered ${answer.status} when asked for the user`,
      )
    }
    const next = URL.canParse(location, client.tenant + path) ? new URL(location, client.tenant + path) : undefined
    if (next?.origin !== client.tenant)
      throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${client.tenant} redirects the user to another host`)
    path = next.pathname + next.search
  }
  throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${client.tenant} redirects the user endlessly`)
}

function qlikUser(json: Record<string, unknown> | undefined, tenant: string): QlikUser {
  const id = text(json?.id)
  if (json === undefined || id === undefined)
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${tenant} answered something that is not a user`)
  const fields = {
    name: text(json.name),
    email: text(json.email),
    subject: text(json.subject),
    tenantId: text(json.tenantId),
  }
  return {
    id,
    ...(Object.fromEntries(
      Object.entries(fields).filter(([, value]) => value !== undefined),
    ) satisfies Partial<QlikUser>),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 512) : undefined
}

/** Qlik gives machine-to-machine clients a user of their own, whose subject is `qlikbot\<client id>`. */
export function isQlikBot(user: Pick<QlikUser, 'subject'>): boolean {
  return user.subject?.startsWith('qlikbot\\') ?? false
}
