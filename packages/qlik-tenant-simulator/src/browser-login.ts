/** Cookies by name, as one browser keeps them for one host. */
export type CookieJar = Map<string, string>

export interface AuthorizeOptions {
  /** Whether to allow what the consent page asks, or the scopes to leave ticked there. @default true */
  readonly consent?: boolean | readonly string[]
  /** Pass the same jar again to come back as a browser that is logged in. @default a new browser */
  readonly jar?: CookieJar
}

/**
 * Walks through the login and consent pages as a browser would, without following the way out.
 *
 * @param url - An authorization request, as the application's login route redirects to it.
 * @returns The address that the tenant finally redirects to: the application's callback with its parameters.
 * @throws Error with status and body when the tenant does not redirect
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
    else throw new Error(`The tenant answered ${response.status}: ${html.replace(/<style>.*?<\/style>/s, '')}`)
    response = await visit(new URL(form.action, tenantOrigin).href, jar, form.fields)
  }
  throw new Error('The login does not come to an end')
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
  const asked = fields.getAll('scope')
  fields.delete('scope')
  for (const scope of asked) if (consent.includes(scope)) fields.append('scope', scope)
}
