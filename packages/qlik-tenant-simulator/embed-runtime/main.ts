/**
 * The file that `<host>/qlik-embed/main.js` answers: a classic script that offers `window.QlikMain.import(name)`, as
 * Qlik's runtime does.
 *
 * It is small and changes with every build; all else is in modules beside it whose names carry a hash. Where it came
 * from tells where the tenant is, so it works behind any path prefix.
 */
export {}

interface QlikMain {
  readonly PRODUCT_INFO: { readonly name: string }
  import(name: string): Promise<unknown>
  getRootUrl(): string
  resourceNeedsCredentials(url: string): boolean
  applyFeatureOverrides(): void
  /** On localhost, @qlik/api leaves its internals here for Qlik's own developers and takes the object for granted. */
  readonly INTERNAL__DO_NOT_USE: object
}

declare global {
  /** File name of the runtime module; set by the build. */
  const runtimeModule: string
}

const script = document.currentScript
const folder = new URL('.', script instanceof HTMLScriptElement ? script.src : location.href)
const rootUrl = new URL('..', folder).href.replace(/\/$/, '')

let runtime: Promise<{ importModule(name: string): Promise<unknown> }> | undefined

const page = window as unknown as { QlikMain?: QlikMain }
page.QlikMain ??= {
  PRODUCT_INFO: { name: 'qlik-tenant-simulator' },
  async import(name) {
    runtime ??= import(new URL(runtimeModule, folder).href)
    return (await runtime).importModule(name)
  },
  getRootUrl: () => rootUrl,
  resourceNeedsCredentials: () => false,
  applyFeatureOverrides() {},
  INTERNAL__DO_NOT_USE: {},
}
