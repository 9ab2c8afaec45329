import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { QlikOAuthError } from '../protocol/errors.ts'

/**
 * Opens an address in the user's own browser. No shell sees it.
 *
 * @throws ERR_CONFIGURATION where there is no browser to open: show the user the address instead.
 */
export async function openSystemBrowser(url: string): Promise<void> {
  // Only an address of the web: the openers would start programs for others.
  if (!/^https?:$/.test(new URL(url).protocol))
    throw new QlikOAuthError('ERR_CONFIGURATION', 'A browser opens http and https addresses only')
  const [command, ...parameters] = openers[process.platform] ?? openers.linux
  const child = spawn(command, [...parameters, url], { stdio: 'ignore', detached: true, shell: false })
  child.unref()
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new QlikOAuthError('ERR_CONFIGURATION', `No browser could be opened with ${command}`, { cause })
  }
}

type Opener = readonly [command: string, ...parameters: string[]]

const openers: { readonly linux: Opener } & Readonly<Record<string, Opener | undefined>> = {
  linux: ['xdg-open'],
  darwin: ['open'],
  // "start" belongs to the shell, which would read "&" in the address as the end of a command.
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}
