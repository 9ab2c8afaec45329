/** Turns URLs of the tenant into URLs of the proxy. */
export interface TenantLinks {
  /**
   * The value of `Location`: a path below the mount for a URL of the tenant, an absolute URL for any other http or
   * https URL.
   *
   * @param requestPath Path on the tenant, against which relative references are resolved.
   * @returns `undefined` for any other URL.
   */
  location(value: string, requestPath: string): string | undefined
  /** The value of `Link`: links to the tenant lead to the proxy, all others stay. RFC 8288. */
  link(value: string): string
  /**
   * The inside of a JSON string, with its escapes.
   *
   * @returns `undefined` when it does not lead to the tenant, or to a path that the proxy does not serve.
   */
  jsonText(text: string): string | undefined
}

/**
 * @param origins Those of the tenant: the one that is called, and its aliases.
 * @param publicOrigin Origin at which browsers see the application.
 * @param mount Path of the proxy on that origin.
 * @param isOpen Whether a path of the tenant is open to clients.
 */
export function tenantLinks(
  origins: readonly [string, ...string[]],
  publicOrigin: string,
  mount: string,
  isOpen: (path: string) => boolean,
): TenantLinks {
  const [tenant] = origins
  const hosts = new Set(origins.map(origin => new URL(origin).host))
  const originAndPath = new RegExp(
    `^((?:https?:)?(?:\\\\?/){2}(?:${origins.map(hostPattern).join('|')}))?(\\\\?/[^?#]*)`,
    'i',
  )

  const publicMount = publicOrigin + mount

  /** Keeps absolute URLs absolute, and adds the mount to paths, which clients would resolve past the proxy. */
  const rewritten = (text: string): string | undefined => {
    const found = originAndPath.exec(text)
    if (found === null) return undefined
    const [, origin = '', written = ''] = found
    const path = written.includes('\\') ? written.replaceAll('\\/', '/') : written
    if (path.startsWith('//') || !isOpen(path)) return undefined
    return (origin === '' ? mount : publicMount) + text.slice(origin.length)
  }

  return {
    location(value, requestPath) {
      // Header values are read as latin1; URL would encode each byte of UTF-8 as a character of its own.
      const encoded = value.replace(/[\x80-\xff]/g, byte => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
      if (!URL.canParse(encoded, tenant + requestPath)) return undefined
      const url = new URL(encoded, tenant + requestPath)
      if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
      if (hosts.has(url.host)) return mount + url.pathname + url.search + url.hash
      // A browser would resolve everything else against the application's origin.
      return /^https?:\/\//i.test(encoded) ? encoded : url.href
    },
    link: value =>
      value.replace(targetOrText, (all, target: string | undefined) =>
        target === undefined ? all : `<${rewritten(target) ?? target}>`,
      ),
    jsonText: rewritten,
  }
}

function hostPattern(origin: string): string {
  const { hostname, port } = new URL(origin)
  return hostname.replace(/[.[\]]/g, '\\$&') + (port === '' ? '(?::443|:80)?' : `:${port}`)
}

/** The target of a link, or a quoted parameter, which may hold anything. */
const targetOrText = /"(?:[^"\\]|\\.)*"|<([^<>]*)>/g
