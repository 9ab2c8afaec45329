import { describe, expect, it } from '@jest/globals'
import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'
import * as own from './errors.ts'

/** A second copy of the module, as when two versions of this package are installed. */
async function secondCopy(): Promise<typeof own> {
  const specifier = './errors.ts?copy'
  return await import(specifier)
}

describe('the error classes of two copies of this package', () => {
  it('recognise the errors of each other', async () => {
    const other = await secondCopy()
    expect(other.QlikOAuthError).not.toBe(own.QlikOAuthError)
    const error = new other.QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away')
    expect(error instanceof own.QlikOAuthError).toBe(true)
    expect(new own.QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away') instanceof other.QlikOAuthError).toBe(true)
    expect(Object.getPrototypeOf(error)).not.toBe(own.QlikOAuthError.prototype)
  })

  it('recognise the errors of a token response and of a tenant response', async () => {
    const other = await secondCopy()
    for (const [one, two] of [
      [own, other],
      [other, own],
    ] as const) {
      const token = new one.TokenResponseError({ error: 'invalid_grant', status: 400 })
      const tenant = new one.TenantResponseError({ message: 'refused', status: 403, errors: [] })
      expect(token instanceof two.TokenResponseError).toBe(true)
      expect(token instanceof two.QlikOAuthError).toBe(true)
      expect(token instanceof two.TenantResponseError).toBe(false)
      expect(tenant instanceof two.TenantResponseError).toBe(true)
      expect(tenant instanceof two.TokenResponseError).toBe(false)
      expect(new one.QlikOAuthError('ERR_TOKEN_REFUSED', 'refused') instanceof two.TokenResponseError).toBe(false)
    }
  })

  it('do not recognise other errors, or objects that look like one', async () => {
    const other = await secondCopy()
    const disguised = Object.assign(new Error('away'), { name: 'TokenResponseError', code: 'ERR_TOKEN_REFUSED' })
    for (const value of [disguised, { name: 'QlikOAuthError' }, new TypeError('away'), null, undefined, 'text']) {
      expect(value instanceof other.QlikOAuthError).toBe(false)
      expect(value instanceof other.TokenResponseError).toBe(false)
    }
  })

  it('keep subclasses of an application apart', async () => {
    const other = await secondCopy()
    class OwnError extends own.QlikOAuthError {}
    class OwnTokenError extends own.TokenResponseError {}
    const token = new own.TokenResponseError({ error: 'invalid_grant', status: 400 })
    expect(new OwnError('ERR_TIER', 'mine') instanceof other.QlikOAuthError).toBe(true)
    expect(new other.QlikOAuthError('ERR_TIER', 'not mine') instanceof OwnError).toBe(false)
    expect(token instanceof OwnTokenError).toBe(false)
    expect(new OwnTokenError({ error: 'invalid_grant', status: 400 }) instanceof other.TokenResponseError).toBe(true)
  })
})

describe('the headers of an error', () => {
  it('have a challenge for every 401, and for no other status', () => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      const { status, headers } = new own.QlikOAuthError(code, 'message')
      expect([code, headers['www-authenticate']]).toEqual([code, status === 401 ? own.challenge : undefined])
    }
  })
})
