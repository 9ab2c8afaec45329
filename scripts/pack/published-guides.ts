import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Adds the guides that a package's README links to, and makes all links lead to files of the package or to npm.
 *
 * @param folder The package as it is published.
 * @param name Its name.
 * @param docs The folder of the guides in the repository.
 */
export function addGuides(folder: string, name: string, docs: string): void {
  const readme = join(folder, 'README.md')
  const text = readFileSync(readme, 'utf8')
  if (!text.includes('](../../docs/')) return
  writeFileSync(readme, text.replaceAll('](../../docs/', '](docs/'))

  const target = join(folder, 'docs')
  mkdirSync(target)
  for (const file of readdirSync(docs)) {
    if (file.endsWith('.md'))
      writeFileSync(join(target, file), publishedGuide(readFileSync(join(docs, file), 'utf8'), name))
    else if (!file.endsWith('.png')) cpSync(join(docs, file), join(target, file), { recursive: true })
  }
  const dead = [...readFileSync(readme, 'utf8').matchAll(/\]\((docs\/[^)#]+)/g)].find(
    ([, path = '']) => !existsSync(join(folder, path)),
  )
  if (dead !== undefined) throw new Error(`README.md of ${name} links to ${dead[1]}, which does not exist.`)
}

/** A guide in the package: links to other packages lead to npm; files that only the repository has are named, not linked. */
export function publishedGuide(text: string, name: string): string {
  return text.replace(/\[([^\]]*)\]\(\.\.\/([^)]*)\)/g, (_link, label: string, path: string) => {
    const [, owner, file = ''] = /^packages\/([^/]+)\/(.*)$/.exec(path) ?? []
    if (owner === name) return `[${label}](../${file})`
    if (owner !== undefined) return `[${label}](https://www.npmjs.com/package/${owner})`
    return label
  })
}
