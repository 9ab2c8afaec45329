import { describe, expect, it } from '@jest/globals'
import express from 'express'
import helmet from 'helmet'
import request from 'supertest'
import { type SinglePageClientOptions, singlePageClient } from './single-page-client.ts'

const options: SinglePageClientOptions = {
  tenant: 'https://acme.eu.qlikcloud.com',
  clientId: 'public-client',
  publicUrl: 'https://app.example.com',
}

describe('single-page client', () => {
  it('configures qlik-embed and @qlik/api alike', () => {
    const page = singlePageClient(options)
    expect(page.hostConfig).toEqual({
      host: 'https://acme.eu.qlikcloud.com',
      authType: 'oauth2',
      clientId: 'public-client',
      redirectUri: 'https://app.example.com/spa/callback',
      scope: 'user_default',
      accessTokenStorage: 'session',
    })
    expect(page.attributes).toBe(
      'data-host="https://acme.eu.qlikcloud.com" data-auth-type="oauth2" data-client-id="public-client" ' +
        'data-redirect-uri="https://app.example.com/spa/callback" data-access-token-storage="session"',
    )
  })

  it('escapes the attributes', () => {
    const { attributes } = singlePageClient({ ...options, clientId: '"><script>alert(1)</script>' })
    expect(attributes).not.toMatch(/<script|">/)
  })

  it.each([
    ['a relative path', { callbackPath: 'spa/callback' }],
    ['a path that leads elsewhere', { callbackPath: '//evil.example/callback' }],
    ['a path with dots', { callbackPath: '/spa/../callback' }],
    ['a path with a query', { callbackPath: '/spa/callback?x=1' }],
    ['a script of another host', { callbackScript: 'https://evil.example/script.js' }],
    ['http beyond loopback', { publicUrl: 'http://app.example.com' }],
    ['a refresh token for the browser', { scope: 'user_default offline_access' }],
    ['no client', { clientId: '' }],
  ])('refuses %s', (_what, wrong) => {
    expect(() => singlePageClient({ ...options, ...wrong })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    )
  })

  it('makes directives for helmet that allow the tenant and its sockets only', async () => {
    const app = express()
    app.use(helmet({ contentSecurityPolicy: { directives: singlePageClient(options).contentSecurityPolicy } }))
    app.get('/', (_request, response) => void response.send('page'))
    const { headers } = await request(app).get('/')
    const policy = headers['content-security-policy'] ?? ''
    expect(policy).toContain("script-src 'self' https://acme.eu.qlikcloud.com https://cdn.qlikcloud.com;")
    expect(policy).toContain('wss://acme.eu.qlikcloud.com')
    expect(policy).toContain('upgrade-insecure-requests')
    expect(policy).not.toMatch(/\*|unsafe-eval|script-src[^;]*unsafe/)
  })

  it('does not upgrade http on loopback', async () => {
    const page = singlePageClient({ ...options, tenant: 'http://localhost:4000', publicUrl: 'http://localhost:3000' })
    const app = express()
    app.use(helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }))
    app.get('/', (_request, response) => void response.send('page'))
    const { headers } = await request(app).get('/')
    expect(headers['content-security-policy']).not.toContain('upgrade-insecure-requests')
    expect(headers['content-security-policy']).toContain('ws://localhost:4000')
  })

  it('allows only its own tenant on the pages of each tenant', async () => {
    const app = express()
    for (const name of ['north', 'south']) {
      const tenant = `https://${name}.eu.qlikcloud.com`
      const page = singlePageClient({ ...options, tenant, clientId: name, callbackPath: `/${name}/callback` })
      app.get(`/${name}/callback`, page.callback)
      app.use(
        `/${name}`,
        helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }),
        (_request, response) => {
          response.send(`<script ${page.attributes}></script>`)
        },
      )
    }
    // Charts through the proxy come from this origin, whichever tenant they belong to.
    app.get('/proxied', helmet(), (_request, response) => void response.send('page'))

    const both = async (paths: readonly string[]) =>
      await Promise.all(
        paths.map(async path => {
          const { headers, text } = await request(app).get(path)
          return `${headers['content-security-policy']}\n${text}`
        }),
      )
    for (const [north = '', south = ''] of [
      await both(['/north', '/south']),
      await both(['/north/callback', '/south/callback']),
    ]) {
      expect(north).toMatch(/connect-src [^;]*wss:\/\/north\.eu\.qlikcloud\.com/)
      expect(north).not.toContain('south')
      expect(south).toMatch(/connect-src [^;]*wss:\/\/south\.eu\.qlikcloud\.com/)
      expect(south).not.toContain('north')
    }
    expect((await both(['/proxied']))[0]).not.toContain('qlikcloud')
  })

  it('serves a callback page without inline script, cache and referrer', async () => {
    const app = express()
    app.get('/spa/callback', singlePageClient(options).callback)
    const { status, headers, text } = await request(app).get(
      '/spa/callback?code=the-code&state=<script>alert(1)</script>',
    )
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self' https:\/\/acme/)
    expect(text.match(/<script[^>]*>[^<]*/g)).toEqual([
      expect.stringMatching(/^<script src="\/qlik-embed\/oauth-callback\.js" data-host=.*>$/),
    ])
    expect(text).not.toMatch(/the-code|alert/)
  })

  it('accepts GET only', async () => {
    const { callback } = singlePageClient(options)
    const { status, headers } = await request(callback).post('/spa/callback')
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
  })
})
