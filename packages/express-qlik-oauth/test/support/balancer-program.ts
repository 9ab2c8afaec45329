import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from 'test-support/certificate'
import { freePort } from 'test-support/free-port'
import { until } from 'test-support/until'

export const balancerNames = ['nginx', 'Caddy', 'HAProxy'] as const
export type BalancerName = (typeof balancerNames)[number]

export interface BalancerProgram {
  /** Ends it. */
  close(): Promise<void>
}

/**
 * Starts a balancer with its file in `docs/balancers/`. Only addresses, ports and certificates are exchanged for those
 * of the test.
 *
 * @param port Where it serves https.
 * @param backends Ports of the two processes of the application.
 */
export async function startBalancerProgram(
  name: BalancerName,
  port: number,
  backends: readonly [number, number],
  certificate: Certificate,
): Promise<BalancerProgram> {
  const directory = await mkdtemp(join(tmpdir(), 'balancer-'))
  const certificates = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
  await writeFile(certificates.cert, certificate.cert)
  await writeFile(certificates.key, certificate.key)
  const {
    file,
    exchanges,
    command,
    before = '',
  } = programs[name]({
    directory,
    port,
    plainPort: await freePort(),
    certificates,
  })
  const text = await readFile(new URL(`../../../../docs/balancers/${file}`, import.meta.url), 'utf8')
  const config = join(directory, file)
  await writeFile(config, before + exchanged(text, [...exchanges, ...addresses(backends)]))
  // HAProxy reads certificate and key from one file.
  await writeFile(join(directory, 'tls.pem'), certificate.cert + certificate.key)

  const [program, ...args] = command(config)
  const child = spawn(program, args, {
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: directory, XDG_DATA_HOME: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => (output = (output + chunk).slice(-4000)))
  const exited = Promise.race([once(child, 'exit'), once(child, 'error')])
  exited.catch(() => {})
  let running = true
  void exited.then(() => (running = false))
  await until(async () => {
    if (!running) throw new Error(`${name} ended: ${output}`)
    return accepts(port)
  })
  return {
    async close() {
      child.kill(name === 'HAProxy' ? 'SIGUSR1' : 'SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), 2000)
      if (running) await exited
      clearTimeout(killer)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

interface Setting {
  readonly directory: string
  readonly port: number
  /** For http, which leads to https. */
  readonly plainPort: number
  readonly certificates: { readonly cert: string; readonly key: string }
}

interface Program {
  readonly file: string
  /** Texts of the file, and what replaces them. */
  readonly exchanges: readonly (readonly [string, string])[]
  command(config: string): readonly [string, ...string[]]
  /** Lines in front of the file. */
  readonly before?: string
}

const programs: Record<BalancerName, (setting: Setting) => Program> = {
  nginx: ({ directory, port, plainPort, certificates }) => ({
    file: 'nginx.conf',
    exchanges: [
      ['listen 80;', `listen 127.0.0.1:${plainPort};`],
      ['listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
      ['/etc/nginx/tls/app.example.com.crt', certificates.cert],
      ['/etc/nginx/tls/app.example.com.key', certificates.key],
    ],
    // nginx.conf of the distribution includes the file into `http` and starts nginx in the background.
    command: config => [
      'nginx',
      '-p',
      directory,
      '-g',
      'daemon off; error_log stderr;',
      '-c',
      nginxMain(directory, config),
    ],
  }),
  Caddy: ({ port, plainPort, certificates }) => ({
    file: 'Caddyfile',
    before: `{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port ${plainPort}\n\thttps_port ${port}\n}\n`,
    exchanges: [['app.example.com {', `https://localhost:${port} {\n\ttls ${certificates.cert} ${certificates.key}`]],
    command: config => ['caddy', 'run', '--adapter', 'caddyfile', '--config', config],
  }),
  HAProxy: ({ directory, port, plainPort }) => ({
    file: 'haproxy.cfg',
    exchanges: [
      ['bind :80', `bind 127.0.0.1:${plainPort}`],
      ['bind :443 ssl crt /etc/haproxy/app.example.com.pem', `bind 127.0.0.1:${port} ssl crt ${directory}/tls.pem`],
    ],
    command: config => ['haproxy', '-db', '-f', config],
  }),
}

function nginxMain(directory: string, config: string): string {
  const path = join(directory, 'main.conf')
  writeFileSync(
    path,
    `pid ${directory}/nginx.pid; worker_processes 1; events {} http { access_log off; include ${config}; }`,
  )
  return path
}

function addresses([first, second]: readonly [number, number]): [string, string][] {
  return [
    ['10.0.0.11:3000', `127.0.0.1:${first}`],
    ['10.0.0.12:3000', `127.0.0.1:${second}`],
  ]
}

/** @throws Error when the file lacks a text that has to be exchanged. */
function exchanged(text: string, exchanges: readonly (readonly [string, string])[]): string {
  return exchanges.reduce((current, [from, to]) => {
    if (!current.includes(from)) throw new Error(`The file lacks ${from}`)
    return current.replaceAll(from, to)
  }, text)
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
