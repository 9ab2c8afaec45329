import { describe, expect, it } from '@jest/globals'
import { publishedManifest, repositoryUrl } from '../scripts/pack/published-manifest.ts'

describe('the published manifest', () => {
  it.each([
    ['https://github.com/acme/qlik.git', 'git+https://github.com/acme/qlik.git'],
    ['https://user:secret@git.acme.example:8443/qlik/', 'git+https://git.acme.example:8443/qlik.git'],
    ['git@github.com:acme/qlik.git', 'git+https://github.com/acme/qlik.git'],
    ['ssh://git@git.acme.example:2222/acme/qlik', 'git+https://git.acme.example/acme/qlik.git'],
  ])('names the repository of %s as %s', (origin, url) => expect(repositoryUrl(origin)).toBe(url))

  it.each(['/srv/git/qlik', '../main', 'file:///srv/git/qlik', 'http://localhost:3000/qlik'])(
    'names no repository for %s',
    origin => expect(repositoryUrl(origin)).toBeUndefined(),
  )

  const packed = {
    name: 'a',
    version: '1.0.0',
    dependencies: { b: '1.0.0' },
    devDependencies: { c: '1' },
    scripts: { build: 'tsc' },
  }

  it('has the directory of the package, and nothing that only this repository uses', () => {
    expect(publishedManifest(packed, 'packages/a', 'https://github.com/acme/qlik')).toEqual({
      name: 'a',
      version: '1.0.0',
      dependencies: { b: '1.0.0' },
      repository: { type: 'git', url: 'git+https://github.com/acme/qlik.git', directory: 'packages/a' },
    })
    expect(publishedManifest(packed, 'packages/a', undefined)).not.toHaveProperty('repository')
  })

  it('refuses a dependency that only the workspace resolves', () => {
    const linked = { ...packed, dependencies: { b: 'workspace:*' } }
    expect(() => publishedManifest(linked, 'packages/a', undefined)).toThrow('a depends on')
  })
})
