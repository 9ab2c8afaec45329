import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { startTokenEndpoint, type TokenEndpoint } from '../../test/support/token-endpoint.ts'
import { type SavedLogin, savedLogins } from './saved-logins.ts'

let directory: string
let endpoint: TokenEndpoint
let login: SavedLogin

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qlik-oauth-logins-'))
  endpoint = await startTokenEndpoint()
  login = {
    tenant: endpoint.origin,
    clientId: 'native',
    scope: 'user_default',
    user: { id: 'ann' },
    tokens: { accessToken: 'old', refreshToken: 'refresh-1', issuedAt: 0, expiresAt: 1 },
  }
  await savedLogins(directory).save(login)
  endpoint.respond(() => ({
    body: { access_token: 'new', token_type: 'bearer', expires_in: 3600, refresh_token: 'refresh-2' },
  }))
})
afterEach(async () => {
  await endpoint.close()
  await rm(directory, { recursive: true })
})

describe('the saved logins', () => {
  it('are removed with the tokens that another command has refreshed', async () => {
    const [refreshing, leaving] = [savedLogins(directory), savedLogins(directory)]
    const seen = await leaving.find(undefined)
    expect(await refreshing.tokens(login).accessToken()).toBe('new')
    expect(await leaving.remove(seen?.tenant ?? '')).toMatchObject({ tokens: { refreshToken: 'refresh-2' } })
    expect(await leaving.remove(login.tenant)).toBeUndefined()
  })

  it('are not refreshed after another command has logged out', async () => {
    const tokens = savedLogins(directory).tokens(login)
    await savedLogins(directory).remove(login.tenant)
    await expect(tokens.accessToken()).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' })
    expect(endpoint.requests).toHaveLength(0)
  })

  it('end when the tenant refuses their refresh token', async () => {
    endpoint.respond(() => ({ status: 400, body: { error: 'invalid_grant' } }))
    await expect(savedLogins(directory).tokens(login).accessToken()).rejects.toMatchObject({
      code: 'ERR_SESSION_EXPIRED',
    })
  })

  it.each([
    [401, 'invalid_client'],
    [403, 'access_denied'],
  ])('do not end when the tenant refuses the client or the user: %i %s', async (status, error) => {
    endpoint.respond(() => ({ status, body: { error } }))
    await expect(savedLogins(directory).tokens(login).accessToken()).rejects.toMatchObject({
      code: 'ERR_TOKEN_REFUSED',
      error,
    })
  })

  it('are all kept when several commands save at the same time', async () => {
    const tenants = Array.from({ length: 8 }, (_, index) => `https://tenant-${index}.eu.qlikcloud.com`)
    await Promise.all(tenants.map(tenant => savedLogins(directory).save({ ...login, tenant })))
    for (const tenant of tenants) expect(await savedLogins(directory).find(tenant)).toMatchObject({ tenant })
  })

  it('are refreshed once by several commands at the same time', async () => {
    const sources = Array.from({ length: 8 }, () => savedLogins(directory).tokens(login))
    expect(new Set(await Promise.all(sources.map(source => source.accessToken())))).toEqual(new Set(['new']))
    expect(endpoint.requests).toHaveLength(1)
  })
})
