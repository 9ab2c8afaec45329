/** What npm shows of a package, and what its consumers need. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly [field: string]: unknown
}

/**
 * The manifest as it is published: without what only this repository uses, and with the repository, where there is a
 * public one.
 *
 * @param directory The package's folder in the repository.
 * @param origin What `git remote get-url origin` prints; `undefined` without a remote.
 * @throws Error for a dependency that only the workspace can resolve.
 */
export function publishedManifest(packed: Manifest, directory: string, origin: string | undefined): Manifest {
  const { devDependencies, scripts, publishConfig, ...manifest } = packed
  if (JSON.stringify(manifest).includes('workspace:'))
    throw new Error(`${packed.name} depends on a package of the workspace by "workspace:". Pack it with pnpm.`)
  const url = origin === undefined ? undefined : repositoryUrl(origin)
  return url === undefined ? manifest : { ...manifest, repository: { type: 'git', url, directory } }
}

/** The address of a remote for everyone, such as `git+https://github.com/owner/name.git`; `undefined` for a local one. */
export function repositoryUrl(origin: string): string | undefined {
  const scp = /^(?:[\w.-]+@)([\w.-]+):(?!\/)([\w./-]+)$/.exec(origin)
  const address = scp === null ? origin : `ssh://${scp[1]}/${scp[2]}`
  if (!URL.canParse(address)) return undefined
  const { protocol, hostname, port, pathname } = new URL(address)
  if (!['https:', 'ssh:', 'git:'].includes(protocol) || !hostname.includes('.')) return undefined
  // The port of ssh is not that of https. User and password of a remote are nobody else's business.
  const host = protocol === 'https:' && port !== '' ? `${hostname}:${port}` : hostname
  return `git+https://${host}${pathname.replace(/(?:\.git)?\/?$/, '')}.git`
}
