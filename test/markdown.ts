import { readdirSync, readFileSync } from 'node:fs'

/** A fenced block of a document. */
export interface Block {
  readonly document: string
  readonly language: string
  readonly text: string
}

/** Paths of all documents for readers, from the root of the repository. */
export const documents = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(new URL('../packages/', import.meta.url)).flatMap(name => markdownFiles(`packages/${name}`)),
  ...markdownFiles('docs'),
]

function markdownFiles(folder: string): string[] {
  return readdirSync(new URL(`../${folder}`, import.meta.url))
    .filter(name => name.endsWith('.md'))
    .map(name => `${folder}/${name}`)
}

export function read(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
}

export function blocks(document: string): Block[] {
  return [...read(document).matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', text = '']) => ({
      document,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  )
}

/** Anchors of the headings, as GitHub makes them. */
export function anchors(document: string): Set<string> {
  const headings = read(document)
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
    .matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .replaceAll(/\]\([^)]*\)/g, '')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Relative links of a document, without those in code. */
export function links(document: string): string[] {
  const prose = read(document)
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter(target => !/^\w+:/.test(target))
}
