import { QlikOAuthError } from './errors.ts'

/**
 * Checks the origin of a Qlik Cloud host, such as `https://acme.eu.qlikcloud.com`.
 *
 * `http:` is accepted on loopback only, where the tenant simulator listens.
 *
 * @param name How the message calls the value.
 * @returns The origin, without a trailing slash.
 * @throws ERR_CONFIGURATION
 */
export function tenantOrigin(value: unknown, name = 'tenant'): string {
  const wanted = `${name} must be the origin of a Qlik Cloud tenant, such as "https://acme.eu.qlikcloud.com"`
  if (typeof value !== 'string' || value === '')
    throw new QlikOAuthError('ERR_CONFIGURATION', `${wanted}, got ${quoted(value)}.`)
  if (!URL.canParse(value) || !/^https?:\/\//i.test(value)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `${wanted}, got ${quoted(value)}. Did you mean "https://${value.replace(/^[^a-z0-9]+/i, '')}"?`,
    )
  }

  const url = new URL(value)
  if (url.username !== '' || url.password !== '') {
    throw new QlikOAuthError('ERR_CONFIGURATION', `${wanted}, without a user name or password in it.`)
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new QlikOAuthError('ERR_CONFIGURATION', `${wanted}, got ${quoted(value)}. Did you mean "${url.origin}"?`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `${wanted}, got ${quoted(value)}. Tokens travel over https only; http is for loopback.`,
    )
  }
  return url.origin
}

/** Tells whether a host name of the URL standard is this machine. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(hostname)
  )
}

/** Quotes what was given, shortened, for a message. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}

/**
 * Resolves a reference of the tenant (`Location`, a link of a page of results) for a request with a token, which never
 * leaves the tenant's origin.
 *
 * @param base Path that relative references are resolved against.
 * @returns Path and query on the tenant; `undefined` for another origin or no URL at all.
 */
export function pathOnTenant(reference: unknown, tenant: string, base = '/'): string | undefined {
  if (typeof reference !== 'string' || !URL.canParse(reference, tenant + base)) return undefined
  const url = new URL(reference, tenant + base)
  return url.origin === tenant ? url.pathname + url.search : undefined
}
