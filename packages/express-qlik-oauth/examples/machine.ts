/**
 * An internal dashboard: all visitors see what the machine-to-machine client sees. It listens on loopback and is
 * read-only.
 */
import express from 'express'
import { machineTokens, memoryLoginStore, qlikClient, qlikProxy } from 'express-qlik-oauth'
import { announce, port, publicUrl, registered } from './tenant.ts'

const credentials = await registered({
  appType: 'web',
  allowedGrantTypes: ['client_credentials'],
  allowedScopes: ['user_default'],
})

const tokens = machineTokens({ client: qlikClient(credentials), store: memoryLoginStore(), scope: 'user_default' })
const qlik = qlikProxy({
  publicUrl,
  authenticate: async () => ({ tokens }),
  proxy: {
    allow: [
      { path: '/api/v1/items', methods: ['GET'] },
      { path: '/api/v1/items/*', methods: ['GET'] },
      { path: '/resources/**', methods: ['GET'] },
      { path: '/qlik-embed/**', methods: ['GET'] },
    ],
  },
})

const app = express()
app.use('/qlik', qlik.proxy())
app.get('/', (_req, res) => void res.type('text').send('The tenant is at /qlik, read-only.'))

const server = qlik.attach(app.listen(port, '127.0.0.1'))
announce(server)
