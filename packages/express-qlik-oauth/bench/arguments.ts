/** Fewer and shorter rounds: to see whether a change did anything, not to publish. */
export const quick = process.argv.includes('--quick')

/** The value of `--name=value`; empty when it is not given. */
export function option(name: string): string {
  return process.argv.find(argument => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
}
