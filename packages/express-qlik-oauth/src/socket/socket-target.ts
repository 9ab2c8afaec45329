import { httpError } from '../http/http-error.ts'

/** Where a socket goes on the tenant. The origin is never part of it: that comes from the token source alone. */
export interface SocketTarget {
  readonly appId: string
  /** Path and query of the upgrade request to a tenant. */
  path(tenant: string): string
}

/**
 * Reads the URL of an upgrade: `{mount}/app/{id}`, then optionally `/identity/{identity}` and `/ttl/{seconds}`, as
 * Qlik's clients build it.
 *
 * Nothing is decoded on its way to the tenant, so what was checked here is what arrives there.
 *
 * @throws ERR_PATH_REFUSED for a path that could be read as another one; ERR_SOCKET_NOT_FOUND for one that leads to no
 * app.
 */
export function socketTarget(url: string, mount: string): SocketTarget {
  const [path = '', query = ''] = splitAt(url.slice(mount.length), '?')
  if (ambiguous.test(path))
    throw httpError('ERR_PATH_REFUSED', 'Open /app/{id} with the id of an app and nothing else in the path.')

  const { appId, identity } = appPath.exec(path)?.groups ?? {}
  if (appId === undefined) {
    if (path.startsWith('/app/'))
      throw httpError('ERR_PATH_REFUSED', 'After /app/{id} only /identity/{identity} and /ttl/{seconds} may follow.')
    throw httpError('ERR_SOCKET_NOT_FOUND', 'The only WebSockets here are those of apps, at /app/{id}.')
  }
  if (identity !== undefined && !isPlain(identity))
    throw httpError('ERR_PATH_REFUSED', 'The identity is not a plain name.')
  return { appId, path: tenant => path + tenantQuery(query, appId, mount, tenant) }
}

/**
 * Dots as a segment, empty segments, other separators, and characters that no client sends unescaped: whoever reads
 * such a path next may read it in another way.
 */
const ambiguous = /\/\/|\\|%2f|%5c|%00|%25|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|[^!-~]|[;#"<>^`{}]/i

/** Ids of apps are UUIDs, those of session apps `SessionApp_…`; `%3Ftransient…` asks the engine to make one. */
const appPath =
  /^\/app\/(?<appId>[\w-]{1,128}|%3[Ff]transient(?:%3[Dd][\w-]{0,128})?)(?:\/identity\/(?<identity>[^/]{1,512}))?(?:\/ttl\/\d{1,9})?$/

/** Whether text is the same however often it is decoded. */
function isPlain(text: string): boolean {
  try {
    return /^[^\p{Cc}%/\\?#]+$/u.test(decodeURIComponent(text))
  } catch {
    return false
  }
}

/**
 * The query without what proves who somebody is, which is ours to do, and with `reloadUri` on the tenant instead of
 * here.
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
  const given = URL.canParse(value) ? new URL(value) : undefined
  const path =
    given?.pathname.startsWith(`${mount}/sense/app/`) === true
      ? given.pathname.slice(mount.length)
      : `/sense/app/${appId}`
  return (/^https?:$/.test(given?.protocol ?? '') ? tenant : tenant.replace(/^http/, 'ws')) + path
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
