/** Turns URLs of the tenant into URLs of the proxy. */
export interface TenantLinks {
  /**
   * The value of `Location`: a path of ours when it leads to the tenant, an absolute URL when it leads elsewhere.
   *
   * @param requestPath Path on the tenant, against which relative references are resolved.
   * @returns `undefined` for what no browser should follow.
   */
  location(value: string, requestPath: string): string | undefined
  /** The value of `Link`, RFC 8288: links to the tenant lead to the proxy, all others stay. */
  link(value: string): string
  /**
   * The inside of a JSON string, escapes and all.
   *
   * @returns `undefined` when it does not lead to the tenant, or to where the proxy does not serve it, such as the
   * tenant's own pages.
   */
  jsonText(text: string): string | undefined
}

/**
 * @param tenant Origin of the tenant.
 * @param publicOrigin Origin that browsers see.
 * @param mount Path of the proxy on that origin.
 * @param isOpen Whether browsers may ask for a path of the tenant.
 */
export function tenantLinks(
  tenant: string,
  publicOrigin: string,
  mount: string,
  isOpen: (path: string) => boolean,
): TenantLinks {
  const { host, hostname, port } = new URL(tenant)
  const ports = port === '' ? '(?::443|:80)?' : `:${port}`
  const originAndPath = new RegExp(
    `^((?:https?:)?(?:\\\\?/){2}${hostname.replace(/[.[\]]/g, '\\$&')}${ports})?(\\\\?/[^?#]*)`,
    'i',
  )

  const publicMount = publicOrigin + mount

  /**
   * Absolute URLs become absolute ones, and paths become paths: a path would be resolved against our origin, and miss
   * the mount.
   */
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
      if (!URL.canParse(value, tenant + requestPath)) return undefined
      const url = new URL(value, tenant + requestPath)
      if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
      if (url.host === host) return mount + url.pathname + url.search + url.hash
      // A browser would resolve everything else against our origin.
      return /^https?:\/\//i.test(value) ? value : url.href
    },
    link: value =>
      value.replace(targetOrText, (all, target: string | undefined) =>
        target === undefined ? all : `<${rewritten(target) ?? target}>`,
      ),
    jsonText: rewritten,
  }
}

/** The target of a link, or a quoted parameter, which may hold anything. */
const targetOrText = /"(?:[^"\\]|\\.)*"|<([^<>]*)>/g
