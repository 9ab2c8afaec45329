import type { ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cpu, directory, freePort, listening, start } from './children.ts'
import { userId } from './setting.ts'

export interface NginxOptions {
  readonly name: string
  readonly port: number
  /** Lines of the block `http`. */
  readonly outside?: string
  /** Lines of the block `server`. */
  readonly inside: string
  readonly cpu: Cpu
}

export async function startNginx({ name, port, outside = '', inside, cpu }: NginxOptions): Promise<ChildProcess> {
  const file = join(directory, `${name}.conf`)
  await writeFile(
    file,
    `daemon off; worker_processes 1; user root; pid ${directory}/${name}.pid; error_log ${directory}/${name}.log;
     events { worker_connections 4096; }
     http { access_log off; keepalive_requests 1000000; sendfile on; tcp_nodelay on; ${outside} server { listen 127.0.0.1:${port}; ${inside} } }`,
  )
  const child = start('nginx', ['-c', file, '-p', directory], cpu)
  await listening(port)
  return child
}

export interface Tenant {
  readonly origin: string
}

/**
 * A tenant with static responses, so that its cost does not vary.
 *
 * @param tokenPort Of the token endpoint, which serves everything that is not static.
 */
export async function startTenant(tokenPort?: number): Promise<Tenant> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const name = `tenant-${port}`
  const files = join(directory, name, 'api', 'v1')
  await mkdir(join(files, 'users'), { recursive: true })
  const filled = (links: unknown): string => {
    const data = (text: string): string => JSON.stringify({ data: [{ id: '1', name: text }], links })
    return data('x'.repeat(2048 - data('').length))
  }
  await writeFile(join(files, 'items'), filled({ next: { href: null } }))
  await writeFile(join(files, 'linked'), filled({ next: { href: `${origin}/api/v1/items?page=2` } }))
  await writeFile(join(files, 'export'), Buffer.alloc(10 * 1024 * 1024, 'x'))
  await writeFile(
    join(files, 'users', userId),
    JSON.stringify({ id: userId, name: 'Bench', email: 'bench@example.com', subject: 'bench' }),
  )
  const statics = `root ${join(directory, name)}; default_type application/json;
    location = /api/v1/export { default_type application/octet-stream; }
    location = /api/v1/users/me { return 302 ${origin}/api/v1/users/${userId}; }`
  const dynamics = `location ~ ^/(oauth|app|\\.well-known)/ {
    proxy_pass http://tokens; proxy_http_version 1.1; proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $wanted; }`
  const upgrades = 'map $http_upgrade $wanted { default upgrade; "" ""; }'
  await startNginx({
    name,
    port,
    outside:
      tokenPort === undefined ? '' : `${upgrades} upstream tokens { server 127.0.0.1:${tokenPort}; keepalive 64; }`,
    inside: tokenPort === undefined ? statics : statics + dynamics,
    cpu: '1',
  })
  return { origin }
}
