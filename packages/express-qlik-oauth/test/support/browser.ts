/**
 * The HTTP side of a browser: keeps cookies per host, regardless of the port (RFC 6265, section 8.5), and follows no
 * redirects.
 */
export interface Browser {
  get(url: string, headers?: Record<string, string>): Promise<Response>
  post(url: string, body?: string, headers?: Record<string, string>): Promise<Response>
  request(url: string, init: RequestInit): Promise<Response>
  cookies(origin: string): Map<string, string>
  /** Names and values as the Cookie header carries them. */
  header(origin: string): string
}

export function browser(): Browser {
  const jars = new Map<string, Map<string, string>>()
  const jar = (url: string) => {
    const { hostname } = new URL(url)
    const found = jars.get(hostname) ?? new Map<string, string>()
    jars.set(hostname, found)
    return found
  }
  const header = (url: string) => [...jar(url)].map(([name, value]) => `${name}=${value}`).join('; ')

  async function request(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    const cookies = header(url)
    if (cookies !== '' && !headers.has('cookie')) headers.set('cookie', cookies)
    const response = await fetch(url, { redirect: 'manual', ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ')
      const split = pair.indexOf('=')
      const gone = attributes.some(
        attribute => /^max-age=0$/i.test(attribute) || /^expires=Thu, 01 Jan 1970/i.test(attribute),
      )
      if (gone) jar(url).delete(pair.slice(0, split))
      else jar(url).set(pair.slice(0, split), pair.slice(split + 1))
    }
    return response
  }

  return {
    get: (url, headers = {}) => request(url, { headers: { accept: 'text/html', ...headers } }),
    post: (url, body = '', headers = {}) =>
      request(url, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', ...headers },
      }),
    request,
    cookies: origin => jar(origin),
    header,
  }
}
