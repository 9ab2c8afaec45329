/** Packs the packages as they are published: `pnpm release:pack [folder]`; the folder is `packed` without one. */
import { packPackages } from './pack-packages.ts'

const { packages, origin } = packPackages(process.argv[2] ?? 'packed')
for (const { file } of packages) process.stdout.write(`${file}\n`)
if (packages.every(({ manifest }) => manifest.repository === undefined))
  process.stdout.write(
    origin === undefined
      ? 'No repository in the manifests: this clone has no remote "origin".\n'
      : 'No repository in the manifests: the remote "origin" is not a public address.\n',
  )
