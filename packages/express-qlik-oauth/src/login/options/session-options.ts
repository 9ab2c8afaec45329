import { KeyObject } from 'node:crypto'
import type { SessionOptions, Store } from 'express-session'
import { hasMethods, isObject, quoted } from 'qlik-oauth/internal'
import type { PublicLocation } from '../../http/location/public-location.ts'
import { configurationError, invalidOption } from '../../http/options/option-checks.ts'
import { type SessionSecret, sessionName, sessionSecrets } from '../cookies/session-cookie.ts'
import { checkSessionCookie } from '../cookies/session-cookie-checks.ts'

/**
 * Checks the options that `session()` is mounted with.
 *
 * @throws ERR_CONFIGURATION
 */
export function checkedSession(
  session: unknown,
  location: PublicLocation,
): { sessionStore: Store; secrets: readonly SessionSecret[] } {
  if (!isObject(session)) throw invalidOption('session', 'the options that session() is mounted with', session)
  const { store } = session as Partial<SessionOptions>
  const name: unknown = sessionName(session as unknown as SessionOptions)
  if (!hasMethods(store, ['get', 'set', 'destroy', 'createSession', 'regenerate'])) {
    const received = isObject(store) ? 'an object that is not an express-session store' : quoted(store)
    throw configurationError(
      `session.store must be the store that session() is mounted with, such as new RedisStore({ client: redis }), got ${received}.`,
    )
  }
  if (typeof name !== 'string' || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name))
    throw invalidOption('session.name', 'a cookie name', name)
  checkSessionCookie(session as unknown as SessionOptions, location)
  return { sessionStore: store as unknown as Store, secrets: checkedSecrets(session as unknown as SessionOptions) }
}

/** Values are never quoted here: they are secret. */
function checkedSecrets(session: SessionOptions): readonly SessionSecret[] {
  const secrets = sessionSecrets(session)
  if (secrets.length === 0) throw configurationError('session.secret must hold at least one secret.')
  for (const secret of secrets) {
    const bytes = secretBytes(secret)
    if (bytes === undefined)
      throw configurationError(
        `session.secret must be a string, Buffer, typed array or secret KeyObject, or a list of them, got ${typeOf(secret)}.`,
      )
    if (bytes < 16)
      throw configurationError('session.secret must be at least 16 characters long; "openssl rand -hex 32" makes one.')
  }
  return secrets
}

function secretBytes(secret: unknown): number | undefined {
  if (typeof secret === 'string') return secret.length
  if (secret instanceof KeyObject) return secret.type === 'secret' ? secret.symmetricKeySize : undefined
  return ArrayBuffer.isView(secret) ? secret.byteLength : undefined
}

function typeOf(value: unknown): string {
  if (value instanceof KeyObject) return `a ${value.type} key`
  return value === null ? 'null' : typeof value
}
