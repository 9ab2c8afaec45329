/**
 * The HTTP side of a browser: keeps cookies per host and path, regardless of the port (RFC 6265, section 8.5), and
 * follows no redirects.
 */
export interface Browser {
  get(url: string, headers?: Record<string, string>): Promise<Response>
  post(url: string, body?: string, headers?: Record<string, string>): Promise<Response>
  request(url: string, init: RequestInit): Promise<Response>
  /** The cookies with exactly the path of a URL. */
  cookies(url: string): Map<string, string>
  /** Names and values as the Cookie header carries them. */
  header(url: string): string
}

export function browser(): Browser {
  const jars = new Map<string, Map<string, Map<string, string>>>()
  const jarsOf = ({ hostname }: URL) => {
    const found = jars.get(hostname) ?? new Map<string, Map<string, string>>()
    jars.set(hostname, found)
    return found
  }
  const jar = (url: string, path = new URL(url).pathname) => {
    const ofHost = jarsOf(new URL(url))
    const found = ofHost.get(path) ?? new Map<string, string>()
    ofHost.set(path, found)
    return found
  }
  const header = (url: string) =>
    [...jarsOf(new URL(url))]
      .filter(([path]) => `${new URL(url).pathname}/`.startsWith(path.endsWith('/') ? path : `${path}/`))
      .sort(([one], [other]) => other.length - one.length)
      .flatMap(([, cookies]) => [...cookies])
      .map(([name, value]) => `${name}=${value}`)
      .join('; ')

  async function request(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    const cookies = header(url)
    if (cookies !== '' && !headers.has('cookie')) headers.set('cookie', cookies)
    const response = await fetch(url, { redirect: 'manual', ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ')
      const split = pair.indexOf('=')
      const path = attributes.find(attribute => /^path=/i.test(attribute))?.slice('path='.length)
      const gone = attributes.some(
        attribute => /^max-age=0$/i.test(attribute) || /^expires=Thu, 01 Jan 1970/i.test(attribute),
      )
      if (gone) jar(url, path).delete(pair.slice(0, split))
      else jar(url, path).set(pair.slice(0, split), pair.slice(split + 1))
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
    cookies: url => jar(url),
    header,
  }
}
