import { internalsOf, type QlikClient } from './client.ts'
import { QlikOAuthError } from './errors.ts'
import { parseJson } from './json.ts'
import { followRedirects } from './tenant-http.ts'

/** A user of the tenant, as `GET /api/v1/users/me` returns it. With narrow scopes Qlik omits fields. */
export interface QlikUser {
  readonly id: string
  readonly name?: string
  readonly email?: string
  readonly subject?: string
  readonly tenantId?: string
}

/**
 * Requests the user that an access token belongs to. Access tokens are opaque and carry no identity. Qlik documents a
 * redirect to `/api/v1/users/{id}`, which is followed on the tenant's host.
 *
 * @throws ERR_USER_REFUSED when the user is disabled or may not be read; ERR_TENANT_RESPONSE for anything else but a
 * user; ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT.
 */
export async function currentUser(client: QlikClient, accessToken: string, signal?: AbortSignal): Promise<QlikUser> {
  const headers = { authorization: `Bearer ${accessToken}` }
  const { host, http } = internalsOf(client)
  const response = await followRedirects(host, '/api/v1/users/me', path => http.request({ path, headers, signal }))
  const json = response.status === 200 ? parseJson(response.text) : undefined
  const id = field(json?.id)
  const isDisabled = json?.status === 'disabled' || json?.status === 'deleted'
  if (response.status === 401 || response.status === 403 || isDisabled) {
    const reason = isDisabled ? `is ${String(json?.status)}` : `may not be read (${response.status})`
    throw new QlikOAuthError('ERR_USER_REFUSED', `The user of the access token ${reason} at ${client.tenant}`)
  }
  if (json === undefined || id === undefined) {
    throw new QlikOAuthError(
      'ERR_TENANT_RESPONSE',
      `${client.tenant} returned ${response.status} for the current user${response.status === 200 ? ', without a user' : ''}`,
    )
  }
  const { name, email, subject, tenantId } = json
  const fields = { name: field(name), email: field(email), subject: field(subject), tenantId: field(tenantId) }
  return { id, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) }
}

function field(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 512) : undefined
}

/** Whether a user is the own user of a machine-to-machine client; its subject is `qlikbot\<client id>`. */
export function isQlikBot(user: Pick<QlikUser, 'subject'>): boolean {
  return user.subject?.startsWith('qlikbot\\') ?? false
}
