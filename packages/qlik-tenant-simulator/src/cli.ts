#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { createTenant, type SimulatedTenant } from './create-tenant.ts'
import type { ClientRegistration } from './tenant/clients.ts'
import { defaultClients } from './tenant/defaults.ts'

const usage = `Usage: qlik-tenant-simulator [options]

Runs a simulated Qlik Cloud tenant: OAuth, REST API, engine and embed runtime.

  --port <number>                  port to listen on; 0 chooses a free port (default 4000)
  --region-port <number>           port of the region host; 0 chooses a free port (default 0)
  --host <address>                 address to listen on (default 127.0.0.1)
  --hostname <name>                host name in the tenant's URLs (default localhost)
  --accept-host <host:port>        additional Host header to accept; repeatable
  --application <url>              additional URL of your application for the demo
                                   clients, such as http://localhost:8080/portal; repeatable
  --redirect-uri <uri>             additional redirect URI of demo-web; repeatable
  --access-token-seconds <number>  lifetime of access tokens (default 21600)
  --help                           show this help
`

// A reader such as `head` may close the pipe early; the tenant goes on serving.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

await main().catch((error: unknown) => {
  process.stderr.write(`qlik-tenant-simulator: ${describeError(error)}\n`)
  process.exitCode = 1
})

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '4000' },
      'region-port': { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      hostname: { type: 'string', default: 'localhost' },
      'accept-host': { type: 'string', multiple: true, default: [] },
      application: { type: 'string', multiple: true, default: [] },
      'redirect-uri': { type: 'string', multiple: true, default: [] },
      'access-token-seconds': { type: 'string', default: '21600' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const tenant = await createTenant({
    port: wholeNumber('--port', values.port, 65_535),
    regionPort: wholeNumber('--region-port', values['region-port'], 65_535),
    host: values.host,
    hostname: values.hostname,
    acceptedHosts: values['accept-host'],
    accessTokenSeconds: wholeNumber('--access-token-seconds', values['access-token-seconds'], 31_536_000),
    clients: clientsFor(values.application, values['redirect-uri']),
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void tenant.close().then(() => process.exit(0)))
  }
  process.stdout.write(startupMessage(tenant))
}

/** The default clients with the redirect URIs and origins of the given applications. */
function clientsFor(applications: readonly string[], redirectUris: readonly string[]): ClientRegistration[] {
  const urls = applications.map(applicationUrl)
  const callbacks: Readonly<Record<string, string>> = { 'demo-web': '/auth/callback', 'demo-spa': '/spa/callback' }
  return defaultClients.map(client => {
    const path = callbacks[client.clientId]
    const { redirectUris: uris = [], allowedOrigins: origins } = client
    const extra = client.clientId === 'demo-web' ? redirectUris : []
    return {
      ...client,
      redirectUris: unique([
        ...uris,
        ...(path === undefined ? [] : urls.map(({ href }) => href.replace(/\/$/, '') + path)),
        ...extra,
      ]),
      ...(origins === undefined ? {} : { allowedOrigins: unique([...origins, ...urls.map(({ origin }) => origin)]) }),
    }
  })
}

/** @throws RangeError unless the value is a URL that redirect URIs can be below: no query, fragment or user */
function applicationUrl(application: string): URL {
  const url = URL.canParse(application) ? new URL(application) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === url.origin + url.pathname) return url
  throw new RangeError(
    `--application must be a URL such as http://localhost:3000 or http://localhost:3000/portal, got ${JSON.stringify(application)}`,
  )
}

function startupMessage({ origin, regionOrigin, organizationOrigin, users, clients }: SimulatedTenant): string {
  const rows = (lines: readonly (readonly string[])[]) =>
    lines.map(([name = '', ...more]) => `  ${name.padEnd(20)}${more.join('  ')}`).join('\n')
  return `Simulated Qlik Cloud tenant at ${origin}
Region host ${regionOrigin}, organization host ${organizationOrigin}

Users
${rows(users.map(user => [user.id, user.description ?? user.email]))}

Clients
${rows(clients.map(({ clientId, appType, tier, clientSecret, accessCodes = [] }) => [clientId, (tier === 'tenant' ? appType : `${tier} client`).padEnd(20), clientSecret ?? accessCodes.join(', ')]))}
`
}

function wholeNumber(flag: string, value: string, largest: number): number {
  if (!/^\d{1,9}$/.test(value) || Number(value) > largest) {
    throw new RangeError(`${flag} must be a whole number from 0 to ${largest}, got ${JSON.stringify(value)}`)
  }
  return Number(value)
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `the port is in use: ${message.replace(/^listen /, '')}. Choose another with --port or --region-port`
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `cannot listen: ${message}`
  return message.split('\n', 1).join('')
}
