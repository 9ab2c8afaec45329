import dns, { type LookupOptions } from 'node:dns'

type Found = (error: Error | null, address: string | { address: string; family: number }[], family?: number) => void

/**
 * Makes every name below `localhost` this machine, as browsers do whatever the system's resolver says (RFC 6761,
 * section 6.3).
 *
 * @returns A function that undoes it.
 */
export function localNames(): () => void {
  const { lookup } = dns
  const local = (name: string, options: LookupOptions, found: Found): void => {
    if (!name.endsWith('.localhost')) Reflect.apply(lookup, dns, [name, options, found])
    else if (options.all === true) process.nextTick(found, null, [{ address: '127.0.0.1', family: 4 }])
    else process.nextTick(found, null, '127.0.0.1', 4)
  }
  Object.assign(dns, { lookup: local })
  return () => void Object.assign(dns, { lookup })
}
