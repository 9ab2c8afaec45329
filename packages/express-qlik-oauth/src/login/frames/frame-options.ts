import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CookieOptions, SessionOptions } from 'express-session'
import { isLoopback, isObject, quoted } from 'qlik-oauth/internal'
import { configurationError, invalidOption, rejectUnknownOptions } from '../../http/options/option-checks.ts'
import { httpError } from '../../http/response/error-response.ts'

/** Lets pages of other sites embed the application, with a login in a window of its own. */
export interface FrameOptions {
  /**
   * Origins of the embedding pages, such as `https://portal.example` or `https://*.portal.example`. Browsers refuse to
   * show the login in a frame of any other page.
   */
  readonly ancestors: readonly string[]
}

/** @throws ERR_CONFIGURATION */
export function checkedFrames(frames: unknown, session: SessionOptions): FrameOptions | undefined {
  if (frames === undefined) return undefined
  if (!isObject(frames)) throw invalidOption('frames', 'an object with ancestors', frames)
  rejectUnknownOptions('frames', frames, ['ancestors'])
  const { ancestors } = frames
  if (!Array.isArray(ancestors) || ancestors.length === 0)
    throw invalidOption('frames.ancestors', 'a list of origins such as ["https://portal.example"]', ancestors)
  for (const ancestor of ancestors) {
    if (!isAncestor(ancestor))
      throw invalidOption('frames.ancestors', 'origins such as "https://portal.example"', ancestor)
  }
  const { cookie = {} } = session
  // A function is called with a request, so its result is unknown here.
  if (typeof cookie !== 'function') checkFrameCookie(cookie)
  return { ancestors: [...ancestors] }
}

function checkFrameCookie({ sameSite, partitioned }: CookieOptions): void {
  const site = String(sameSite).toLowerCase()
  if ((site === 'none' || site === 'auto') && partitioned === true) return
  throw configurationError(
    `frames needs session.cookie with secure: true, sameSite: "none" and partitioned: true, got sameSite: ${quoted(sameSite)}, partitioned: ${quoted(partitioned)}. ` +
      'Browsers send no other cookie in a frame of another site. On a subdomain of the same site, Lax cookies work without frames.',
  )
}

function isAncestor(value: unknown): boolean {
  if (typeof value !== 'string') return false
  const origin = value.replace('://*.', '://')
  // The host of a URL may have characters that mean something else in a policy: "https://*" is every site.
  if (!URL.canParse(origin) || !(origin === value ? plainHost : parentDomain).test(origin)) return false
  const url = new URL(origin)
  return url.origin === origin && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
}

const plainHost = /^https?:\/\/(?:[\w.-]+|\[[\da-f:]+\])(?::\d+)?$/
/** A domain of one label, such as "com", belongs to everyone. */
const parentDomain = /^https?:\/\/[\w-]+(?:\.[\w-]+)+(?::\d+)?$/

/** Sources for `frame-ancestors` of the Content Security Policy. */
export function frameAncestors({ ancestors }: FrameOptions): readonly string[] {
  return ["'self'", ...ancestors]
}

/** Whether a request loads the document of a frame. */
export function isFramed({ headers }: IncomingMessage): boolean {
  const destination = headers['sec-fetch-dest']
  return destination === 'iframe' || destination === 'frame'
}

/** Query parameter of the login route in the window that a frame opens: the hash of the frame's transaction cookie. */
export const frameParameter = 'frame'

/**
 * Only the frame itself may open the login: a link of another site could make a user log in for the attacker's frame.
 *
 * @returns The hash of a frame's transaction cookie, if the login belongs to a frame.
 * @throws ERR_CROSS_SITE
 */
export function frameOf({ headers }: IncomingMessage, query: URLSearchParams): string | undefined {
  const frame = query.get(frameParameter)
  if (frame === null || !/^[\w-]{43}$/.test(frame)) return undefined
  if (headers['sec-fetch-site'] === 'same-origin') return frame
  throw httpError('ERR_CROSS_SITE', 'The login of a frame starts in that frame.')
}

/** A policy such as helmet's default would cut the connection between the frame and its window. */
export function keepOpener(response: ServerResponse): void {
  response.setHeader('cross-origin-opener-policy', 'unsafe-none')
}
