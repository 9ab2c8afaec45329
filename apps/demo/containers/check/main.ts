import { launchChromium } from 'test-support/chromium'
import { engineVersion } from './compose.ts'
import { checkDevelopment } from './development.ts'
import { checkProduction } from './production.ts'
import { printPromises } from './promises.ts'
import { checkSentinel } from './sentinel.ts'

const checks = { development: checkDevelopment, production: checkProduction, sentinel: checkSentinel }

/** Exit code 0 when every promise held, 1 when one did not, 2 when there was no engine and nothing was checked. */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find(name => !Object.hasOwn(checks, name))
  if (unknown !== undefined) {
    print(`Unknown check ${JSON.stringify(unknown)}: choose from ${Object.keys(checks).join(', ')}.`)
    return 1
  }
  const version = await engineVersion()
  if (version === undefined) {
    print('No container engine responds (`docker version`): nothing was checked.')
    return 2
  }
  print(`Engine ${version}`)
  const browser = await launchChromium()
  const promises = printPromises(print)
  try {
    for (const [name, check] of Object.entries(checks)) {
      if (names.length > 0 && !names.includes(name)) continue
      print(`\n${name}`)
      await check(browser, promises)
    }
  } finally {
    await browser.close()
  }
  return promises.failed === 0 ? 0 : 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
