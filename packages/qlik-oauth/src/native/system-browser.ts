import { configurationError } from '../protocol/option-checks.ts'

/**
 * Opens a URL in the user's default browser; on WSL, in the browser of Windows. Resolves when the browser was asked to
 * open it: show the URL as well, for a machine without a browser.
 *
 * @throws ERR_CONFIGURATION for anything but an http or https URL, and when the system cannot open URLs.
 */
export async function openSystemBrowser(url: string): Promise<void> {
  // Other schemes would start other programs.
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw configurationError('openSystemBrowser opens http and https URLs only.')
  // Loaded here, because servers that import this package never open a browser.
  const { default: open } = await import('open')
  try {
    await open(new URL(url).href)
  } catch (cause) {
    throw configurationError('The system could not open a browser.', cause)
  }
}
