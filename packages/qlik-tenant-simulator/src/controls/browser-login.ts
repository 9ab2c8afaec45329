/** A browser's cookies for the tenant, by name. */
export type CookieJar = Map<string, string>

/** How the simulated browser behaves on the tenant's pages. */
export interface AuthorizeOptions {
  /** Whether to allow access on the consent page, or the scopes to allow. @default true */
  readonly consent?: boolean | readonly string[]
  /** Reuse a jar to come back as a browser that is logged in at the tenant. @default a new browser */
  readonly jar?: CookieJar
}

/**
 * Sends an authorization request and submits the login and consent pages, as a browser would. The redirect to the
 * application is not followed.
 *
 * @param url - Authorization request URL, as the application redirects to it.
 * @returns the callback URL with its parameters
 * @throws Error with status and body, when the tenant does not redirect to the application
 */
export async function authorizeAs(
  tenantOrigin: string,
  url: string,
  userId: string,
  { consent = true, jar = new Map() }: AuthorizeOptions = {},
): Promise<string> {
  let response = await visit(url, jar)
  for (let step = 0; step < 10; step++) {
    const location = response.headers.get('location')
    if (location !== null) {
      await response.body?.cancel()
      const next = new URL(location, response.url)
      if (next.origin !== tenantOrigin) return next.href
      response = await visit(next.href, jar)
      continue
    }
    const html = await response.text()
    const form = formOf(html)
    if (form.action === '/login' && response.status === 200) form.fields.append('user', userId)
    else if (form.action === '/consent') decide(form.fields, consent)
    else throw new Error(`The tenant responded with ${response.status}: ${html.replace(/<style>.*?<\/style>/s, '')}`)
    response = await visit(new URL(form.action, tenantOrigin).href, jar, form.fields)
  }
  throw new Error('The login did not finish within 10 redirects and forms')
}

async function visit(url: string, jar: CookieJar, form?: URLSearchParams): Promise<Response> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { accept: 'text/html', ...(cookie === '' ? {} : { cookie }) },
    ...(form === undefined ? {} : { method: 'POST', body: form }),
  })
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (value === '') jar.delete(name)
    else jar.set(name, value)
  }
  return response
}

function formOf(html: string): { action: string | undefined; fields: URLSearchParams } {
  const fields = new URLSearchParams()
  for (const [, name = '', value = ''] of html.matchAll(
    /<input type="(?:hidden|checkbox)" name="([^"]+)" value="([^"]+)"/g,
  ))
    fields.append(name, value)
  return { action: /<form method="post" action="([^"]+)"/.exec(html)?.[1], fields }
}

function decide(fields: URLSearchParams, consent: boolean | readonly string[]): void {
  fields.append('decision', consent === false ? 'deny' : 'allow')
  if (typeof consent === 'boolean') return
  const requested = fields.getAll('scope')
  fields.delete('scope')
  for (const scope of requested) if (consent.includes(scope)) fields.append('scope', scope)
}
