import { Writable } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { QlikOAuthError } from 'express-qlik-oauth'
import { createLogger } from './logger.ts'

describe('the log', () => {
  it('keeps the codes of events, errors and their causes', () => {
    const [line] = written(logger => {
      const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      const err = new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'The login store is unavailable', { cause })
      logger.warn({ code: 'ERR_LOGIN_DENIED', closeCode: 4006, details: { code: 'OAUTH-22' }, err }, 'denied')
    })
    expect(line).toMatchObject({
      code: 'ERR_LOGIN_DENIED',
      closeCode: 4006,
      details: { code: 'OAUTH-22' },
      err: { code: 'ERR_STORE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } },
    })
  })

  it.each(['Ab3-_fGh1jKl', 'A1B2C3D4E5F60718', 'ERR_LOGIN_DENIED secret', 'secret', ['ERR_SECRET'], 1234])(
    'removes what may be an authorization code: %j',
    code => {
      const [line] = written(logger => logger.warn({ code, query: { code }, request: { query: { code } } }, 'callback'))
      expect(line).toMatchObject({ msg: 'callback', query: {}, request: { query: {} } })
      expect(JSON.stringify(line)).not.toMatch(/"code"/)
    },
  )

  it('removes tokens, secrets, cookies, states and passwords', () => {
    const secrets = {
      authorization: 'secret',
      cookie: 'secret',
      password: 'secret',
      secret: 'secret',
      token: 'secret',
      state: 'secret',
    }
    const lines = written(logger => logger.info({ ...secrets, headers: secrets, request: { headers: secrets } }, 'x'))
    expect(JSON.stringify(lines)).not.toContain('"secret')
  })
})

function written(write: (logger: ReturnType<typeof createLogger>) => void): readonly object[] {
  let text = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  write(createLogger('info', destination))
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}
