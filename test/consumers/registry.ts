import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PackedPackage } from '../../scripts/pack/pack-packages.ts'

export interface Registry {
  readonly url: string
  close(): void
}

/** The registry of the machine, which has all packages but ours. */
const upstream = process.env.npm_config_registry ?? 'https://registry.npmjs.org/'

/**
 * Serves packed packages as a registry does, so that consumers install them by name. Leads to the registry of the
 * machine for every other package.
 *
 * @throws Error when that registry does not respond.
 */
export async function startRegistry(packed: readonly PackedPackage[]): Promise<Registry> {
  await fetch(new URL('express-session', upstream), { method: 'HEAD', signal: AbortSignal.timeout(20_000) }).catch(
    cause => {
      const reason = cause.cause?.code ?? cause.message
      throw new Error(`The registry ${upstream} does not respond (${reason}). The consumers install from it.`)
    },
  )
  const server = createServer((request, response) => {
    const [, name = '', file] = (request.url ?? '').split('/')
    const versions = packed.filter(({ manifest }) => manifest.name === name)
    if (versions.length === 0) {
      response.writeHead(302, { location: new URL((request.url ?? '').slice(1), upstream).href }).end()
    } else if (file === undefined || file === 'latest') {
      const all = packument(name, versions)
      const document = file === undefined ? all : all.versions[all['dist-tags'].latest]
      response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
    } else {
      response.end(readFileSync(versions.find(({ manifest }) => file === `${manifest.version}.tgz`)?.file ?? ''))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`

  function packument(name: string, versions: readonly PackedPackage[]) {
    const entries = versions.map(({ manifest, file }) => {
      const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
      return [manifest.version, { ...manifest, dist: { tarball: `${url}${name}/${manifest.version}.tgz`, integrity } }]
    })
    const { version: latest = '' } = versions[0]?.manifest ?? {}
    return { name, 'dist-tags': { latest }, versions: Object.fromEntries(entries) }
  }

  return {
    url,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
