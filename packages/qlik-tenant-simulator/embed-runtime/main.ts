/**
 * `<host>/qlik-embed/main.js`: a classic script that defines `window.QlikMain`, as Qlik's runtime does.
 *
 * The script changes with every build. It loads its modules, which have a hash in their names, relative to its own URL,
 * so it works behind any path prefix.
 */
export {}

interface QlikMain {
  readonly PRODUCT_INFO: { readonly name: string }
  import(name: string): Promise<unknown>
  /** The script's origin and `/`, without the path prefix of a proxy. */
  getRootUrl(): string
  resourceNeedsCredentials(url: string): boolean
  applyFeatureOverrides(): void
  /** On localhost, @qlik/api adds its internals to this object and requires it to exist. */
  readonly INTERNAL__DO_NOT_USE: object
}

declare global {
  /** File name of the runtime module; the build defines it. */
  const runtimeModule: string
}

const script = document.currentScript
const folder = new URL('.', script instanceof HTMLScriptElement ? script.src : location.href)

let runtime: Promise<{ importModule(name: string): Promise<unknown> }> | undefined

const page = window as unknown as { QlikMain?: QlikMain }
page.QlikMain ??= {
  PRODUCT_INFO: { name: 'qlik-tenant-simulator' },
  async import(name) {
    runtime ??= import(new URL(runtimeModule, folder).href)
    return (await runtime).importModule(name)
  },
  getRootUrl: () => `${folder.origin}/`,
  resourceNeedsCredentials: () => false,
  applyFeatureOverrides() {},
  INTERNAL__DO_NOT_USE: {},
}
