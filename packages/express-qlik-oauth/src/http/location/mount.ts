import { quoted } from 'qlik-oauth/internal'
import { configurationError } from '../options/option-checks.ts'
import type { PublicLocation } from './public-location.ts'

/** A path below which a proxy serves the tenant. */
export interface Mount {
  /** The path as browsers see it, below the base path of the application. */
  readonly path: string
  /** The path in all its forms, with and without the base path. */
  readonly paths: readonly string[]
  /** @returns The target from the mount on, or `undefined` when it lies elsewhere. */
  below(target: string): string | undefined
}

/**
 * @param path Path of the application, below the base path of `publicUrl`.
 * @throws ERR_CONFIGURATION when the path repeats the base path.
 */
export function mountAt({ base, href }: PublicLocation, path: string): Mount {
  if (base === '') return { path, paths: [path], below: target => belowMount(target, path) }
  if (isBelowMount(path, base)) {
    const own = path.slice(base.length)
    const advice = own === '' ? 'Choose another, such as "/tenant".' : `Did you mean ${quoted(own)}?`
    throw configurationError(`mount must be a path below publicUrl (${href}), got ${quoted(path)}. ${advice}`)
  }
  const publicPath = base + path
  return {
    path: publicPath,
    paths: [publicPath, path],
    // A balancer may have removed the base path.
    below: target => belowMount(target, publicPath) ?? belowMount(target, path),
  }
}

/** Whether a request target lies at or below a path. */
export function isBelowMount(target: string, mount: string): boolean {
  if (!target.startsWith(mount)) return false
  const next = target[mount.length]
  return next === '/' || next === '?' || next === undefined
}

function belowMount(target: string, mount: string): string | undefined {
  return isBelowMount(target, mount) ? target.slice(mount.length) : undefined
}
