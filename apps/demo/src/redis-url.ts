/** Where Redis is, as REDIS_URL tells. */
export interface RedisAddress {
  /** One server, the known nodes of a Cluster, or the Sentinels. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  /** Name of the master that the Sentinels know; absent when `nodes` are no Sentinels. */
  readonly master?: string
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
}

/**
 * Reads an address of Redis: one URL, a comma list for a Cluster, or Sentinels with the name of their master.
 *
 * In a list only the first address needs a scheme, user and password: they hold for all.
 *
 * @example redisAddress('redis+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster')
 * @returns `undefined` when it is none.
 */
export function redisAddress(text: string): RedisAddress | undefined {
  const scheme = /^(redis|rediss|redis\+sentinel):\/\//.exec(text)?.[1]
  if (scheme === undefined) return undefined

  const sentinel = scheme === 'redis+sentinel'
  // The path stands after the last Sentinel, and URL wants it after a host.
  const urls = text.split(',').map(node => parse(node.includes('://') ? node : `${scheme}://${node}`))
  const [first, last] = [urls[0], urls.at(-1)]
  if (first === undefined || last === undefined) return undefined
  const nodes = urls.flatMap(url =>
    url?.hostname ? [{ host: unbracketed(url.hostname), port: Number(url.port || (sentinel ? 26_379 : 6379)) }] : [],
  )
  if (nodes.length !== urls.length || urls.some(url => url?.protocol !== first.protocol)) return undefined

  const [master, db = '0'] = sentinel ? last.pathname.slice(1).split('/') : [undefined, last.pathname.slice(1) || '0']
  // A Cluster has database 0 only.
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

/** Tells whether `redisAddress` can read a text. */
export function isRedisUrl(text: string): boolean {
  return redisAddress(text) !== undefined
}

/**
 * The same text without what may be a user name or a password, also where a wrong character in them makes it no URL:
 * all before the last `@`, since a password may hold what separates addresses; all after a `?`; and what stands in the
 * place of a port and is none.
 */
export function withoutPassword(text: string): string {
  return text
    .replace(/^([a-z][a-z+.-]*:\/\/)?.*@/is, '$1***@')
    .replace(/\?.*/s, '?***')
    .replace(/(?<!\[[^\]]*):(?!\/\/|\d{1,5}(?:[,/]|$))[^,/]*/g, ':***')
}

function parse(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  // A password with a bare # or ? ends the address before its host, and options in a query would be overlooked.
  if (url.search !== '' || url.hash !== '') return undefined
  return wellEncoded(url.username + url.password + url.pathname) ? url : undefined
}

function wellEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** An address of IPv6 stands in brackets in a URL, and nowhere else. */
function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
