/** Fewer and shorter rounds: shows the effect of a change, not for publication. */
export const quick = process.argv.includes('--quick')

/** The value of `--name=value`, or an empty string. */
export function option(name: string): string {
  return process.argv.find(argument => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
}
