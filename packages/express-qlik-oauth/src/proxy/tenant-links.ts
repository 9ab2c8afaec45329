/** Turns URLs of the tenant into URLs of the proxy. */
export interface TenantLinks {
  /**
   * The value of `Location`: a path of ours when it leads to the tenant, itself when it leads elsewhere.
   *
   * @param requestPath Path on the tenant, against which relative references are resolved.
   * @returns `undefined` for what no browser should follow.
   */
  location(value: string, requestPath: string): string | undefined
  /** The inside of a JSON string, escapes and all. @returns `undefined` when it does not lead to the tenant. */
  jsonText(text: string): string | undefined
  /** Without these bytes a document holds nothing to rewrite. */
  readonly host: Buffer
}

/**
 * @param tenant Origin of the tenant.
 * @param publicOrigin Origin that browsers see.
 * @param mount Path of the proxy on that origin.
 */
export function tenantLinks(tenant: string, publicOrigin: string, mount: string): TenantLinks {
  const { host, hostname, port } = new URL(tenant)
  const ports = port === '' ? '(?::443|:80)?' : `:${port}`
  const atTenant = new RegExp(`^https?:(?:\\\\?/){2}${hostname.replace(/[.[\]]/g, '\\$&')}${ports}(?=\\\\?/|[?#]|$)`, 'i')
  const base = publicOrigin + mount

  return {
    location(value, requestPath) {
      if (!URL.canParse(value, tenant + requestPath)) return undefined
      const url = new URL(value, tenant + requestPath)
      if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
      if (url.host === host) return mount + url.pathname + url.search + url.hash
      // A browser would resolve everything else against our origin.
      return /^https?:\/\//i.test(value) ? value : url.href
    },
    jsonText(text) {
      const found = atTenant.exec(text)
      return found === null ? undefined : base + text.slice(found[0].length)
    },
    host: Buffer.from(hostname),
  }
}
