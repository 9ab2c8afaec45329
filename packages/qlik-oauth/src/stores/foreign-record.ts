import { QlikOAuthError } from '../protocol/errors.ts'

/** A record that the caller needs is sealed with an unknown key. Another process may have it, so the record stays. */
export class ForeignRecordError extends QlikOAuthError {
  protected static override readonly errorName: string = 'ForeignRecordError'
  override readonly name = 'ForeignRecordError'

  constructor() {
    super(
      'ERR_STORE_UNAVAILABLE',
      'The record is sealed with a key that is not in `keys`. Every process needs the same keys; append a new key everywhere before it seals.',
      { retryAfterSeconds: 5 },
    )
  }
}

/** Treats a login that is sealed with the keys of another deployment as one that does not exist. */
export function ignoreForeign(error: unknown): undefined {
  if (!(error instanceof ForeignRecordError)) throw error
}
