/** The parsed REDIS_URL. */
export interface RedisAddress {
  /** One server, the seed nodes of a Cluster, or the Sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  /** Name of the master; present when `nodes` are Sentinels. */
  readonly master?: string
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
}

/**
 * Parses a Redis address: one URL, a comma-separated list for a Cluster, or Sentinels and the name of their master.
 *
 * The scheme, user and password of the first node apply to the whole list.
 *
 * @example redisAddress('redis+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster')
 * @returns `undefined` when `text` is not a Redis address.
 */
export function redisAddress(text: string): RedisAddress | undefined {
  const scheme = /^(redis|rediss|redis\+sentinel):\/\//.exec(text)?.[1]
  if (scheme === undefined) return undefined

  const sentinel = scheme === 'redis+sentinel'
  // The path of a list follows its last node.
  const urls = text.split(',').map(node => parse(node.includes('://') ? node : `${scheme}://${node}`))
  const [first, last] = [urls[0], urls.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const nodes = urls.flatMap(url =>
    url?.hostname
      ? [{ host: withoutBrackets(url.hostname), port: Number(url.port || (sentinel ? 26_379 : 6379)) }]
      : [],
  )
  if (nodes.length !== urls.length || urls.some(url => url?.protocol !== first.protocol)) return undefined

  const [master, db = '0'] = sentinel ? last.pathname.slice(1).split('/') : [undefined, last.pathname.slice(1) || '0']
  // A Cluster has only database 0.
  if (master === '' || !/^\d+$/.test(db) || (urls.length > 1 && !sentinel && db !== '0')) return undefined
  return {
    nodes,
    ...(master === undefined ? {} : { master: decodeURIComponent(master) }),
    tls: scheme === 'rediss',
    username: decodeURIComponent(first.username) || undefined,
    password: decodeURIComponent(first.password) || undefined,
    db: Number(db),
  }
}

/** Whether `redisAddress` can parse `text`. */
export function isRedisUrl(text: string): boolean {
  return redisAddress(text) !== undefined
}

/** Adds a password to an address that has none; the password of the address wins. */
export function withPassword(text: string, password: string | undefined): string {
  if (password === undefined || redisAddress(text)?.password !== undefined) return text
  return text.replace(/^([a-z+]+:\/\/)(?:([^@,/]*)@)?/, (_match, scheme: string, username = '') => {
    return `${scheme}${username.replace(/:$/, '')}:${encodeURIComponent(password)}@`
  })
}

/**
 * Masks everything in an address that may be a user name or a password, also when the address is not a valid URL: the
 * part before the last `@` (a password may contain separators), the query, and anything in a port's place that is not a
 * port.
 */
export function withoutCredentials(text: string): string {
  return text
    .replace(/^([a-z][a-z+.-]*:\/\/)?.*@/is, '$1***@')
    .replace(/\?.*/s, '?***')
    .replace(/(?<!\[[^\]]*):(?!\/\/|\d{1,5}(?:[,/]|$))[^,/]*/g, ':***')
}

function parse(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  // An unencoded # or ? in a password ends the address before its host, and options in a query are not supported.
  if (url.search !== '' || url.hash !== '') return undefined
  return isDecodable(url.username + url.password + url.pathname) ? url : undefined
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** URLs put IPv6 addresses in brackets; socket options do not. */
function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
