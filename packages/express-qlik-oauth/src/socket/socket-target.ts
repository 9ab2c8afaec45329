import type { Mount } from '../http/location/mount.ts'
import { pathReadings } from '../http/path-syntax.ts'
import { httpError } from '../http/response/error-response.ts'

/** The target of a socket on the tenant. Its origin comes from the token source, never from the request. */
export interface SocketTarget {
  readonly appId: string
  /** Path and query of the upgrade request to a tenant. */
  path(tenant: string): string
}

/**
 * Parses the URL of an upgrade as Qlik's clients build it: `{mount}/app/{id}`, optionally followed by
 * `/identity/{identity}` and `/ttl/{seconds}`.
 *
 * The path is forwarded without decoding, so the tenant gets exactly what was checked.
 *
 * @throws ERR_PATH_REFUSED for an ambiguous path; ERR_SOCKET_NOT_FOUND for a path that is not one of an app.
 */
export function socketTarget(url: string, mount: Mount): SocketTarget {
  const [path = '', query = ''] = splitAt(mount.below(url) ?? '', '?')
  if (path !== '') pathReadings(path)
  const { appId, identity } = appPath.exec(path)?.groups ?? {}
  if (appId === undefined) {
    if (path.startsWith('/app/'))
      throw httpError('ERR_PATH_REFUSED', 'Only /identity/{identity} and /ttl/{seconds} may follow /app/{id}.')
    throw httpError('ERR_SOCKET_NOT_FOUND', 'WebSockets are available at /app/{id} only.')
  }
  if (identity !== undefined && !isPlain(identity))
    throw httpError('ERR_PATH_REFUSED', 'The identity must not contain encoded separators or control characters.')
  return { appId, path: tenant => path + tenantQuery(query, appId, mount.path, tenant) }
}

/** Ids of apps are UUIDs, those of session apps `SessionApp_…`; `%3Ftransient…` makes the engine create one. */
const appPath =
  /^\/app\/(?<appId>[\w-]{1,128}|%3[Ff]transient(?:%3[Dd][\w-]{0,128})?)(?:\/identity\/(?<identity>[^/;"<>^`{}]{1,512}))?(?:\/ttl\/\d{1,9})?$/

/** Whether every reading of an identity is one path segment, without characters that have a meaning in a URL. */
function isPlain(identity: string): boolean {
  const [, ...decoded] = pathReadings(`/${identity}`)
  return decoded.every(reading => /^\/[^\p{Cc}%/\\?#\u2044\u2215\u29f8]+$/u.test(reading))
}

/**
 * The query without credentials, which the proxy adds itself, and with `reloadUri` on the tenant instead of here.
 */
function tenantQuery(query: string, appId: string, mount: string, tenant: string): string {
  const parameters = [...new URLSearchParams(query)]
    .filter(([name]) => !credentials.has(name.toLowerCase()))
    .map(([name, value]): [string, string] => [
      name,
      name.toLowerCase() === 'reloaduri' ? tenantReloadUri(value, appId, mount, tenant) : value,
    ])
  const text = String(new URLSearchParams(parameters))
  return text === '' ? '' : `?${text}`
}

const credentials = new Set([
  'accesstoken',
  'access_token',
  'apikey',
  'qlik-csrf-token',
  'qlik-web-integration-id',
  'qlikticket',
])

function tenantReloadUri(value: string, appId: string, mount: string, tenant: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const path =
    url?.pathname.startsWith(`${mount}/sense/app/`) === true ? url.pathname.slice(mount.length) : `/sense/app/${appId}`
  return (/^https?:$/.test(url?.protocol ?? '') ? tenant : tenant.replace(/^http/, 'ws')) + path
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
