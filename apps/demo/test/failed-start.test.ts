import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { failedStart } from './support/demo-process.ts'

const client = {
  QLIK_TENANT_URL: 'https://acme.eu.qlikcloud.com',
  QLIK_CLIENT_ID: 'id',
  QLIK_CLIENT_SECRET: 'the-secret',
}

describe('a failed start', () => {
  it('exits with 1 and one line about an invalid variable', async () => {
    const { code, output } = await failedStart({ ...client, PORT: 'eighty' })
    expect([code, output]).toEqual([1, 'PORT must be a whole number from 1 to 65535, got "eighty".\n'])
  })

  it('exits with 1 and one line about a port in use', async () => {
    const server = createServer().listen(0)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { code, output } = await failedStart({ ...client, LOG_LEVEL: 'silent', PORT: String(port) })
    server.close()
    const advice = 'is already in use. Stop the other process, or set PORT to a free port.'
    expect([code, output]).toEqual([1, `PORT ${port} ${advice}\n`])
  })
})
