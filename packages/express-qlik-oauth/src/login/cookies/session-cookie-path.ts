import type { Request } from 'express'
import type { SessionOptions, Store } from 'express-session'

/**
 * The path that an application gave to its session cookie. It is not read from the options: `bindCookiePath` moves it.
 */
export function cookiePath({ cookie }: Pick<SessionOptions, 'cookie'>): string {
  if (cookie === undefined || typeof cookie === 'function') return '/'
  return movedPaths.get(cookie) ?? cookie.path ?? '/'
}

const movedPaths = new WeakMap<object, string>()

type GeneratingStore = Store & { generate?: (request: Request) => void }

/**
 * Makes a session cookie with a path work behind a balancer that removes this path from requests.
 *
 * express-session ignores every request that does not lie below `cookie.path`. So the options that it reads get the
 * path "/", and each session, as the store creates or loads it, gets a cookie with the path that was there.
 */
export function bindCookiePath(session: SessionOptions, store: GeneratingStore): void {
  const { cookie } = session
  const path = cookiePath(session)
  // Frozen options stay as they are; the balancer must then leave the path in place.
  if (path === '/' || typeof cookie !== 'object' || !Reflect.set(cookie, 'path', '/')) return
  movedPaths.set(cookie, path)

  const createSession = store.createSession.bind(store)
  store.createSession = (request, data) => {
    const created = createSession(request, data)
    created.cookie.path = path
    return created
  }
  // `session()` assigns this method, perhaps later.
  const before = store.generate
  let generate = before
  Object.defineProperty(store, 'generate', {
    configurable: true,
    enumerable: true,
    get: () => generate,
    set(assigned: (request: Request) => void) {
      generate = request => {
        assigned(request)
        request.session.cookie.path = path
      }
    },
  })
  if (before !== undefined) store.generate = before
}
