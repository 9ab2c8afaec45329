/** The modules of Qlik's runtime that are available, by name. Each is loaded on first use. */
const modules: Readonly<Record<string, () => Promise<unknown>>> = {
  'embed-vanilla@v1': () => import('./embed-vanilla.ts'),
  'initial-app-state@v1': () => import('./initial-app-state.ts'),
  // From the package @qlik/api, whose browser build loads these three from the tenant.
  'auth@v1': () => import('qlik-api:auth'),
  'qix@v1': () => import('qlik-api:qix'),
  'invoke-fetch@v1': () => import('qlik-api:invoke-fetch'),
  // On load, processes the authorization response in the URL and navigates back to the page that started the login.
  'oauth-callback@v1': () => import('qlik-api:auth'),
}

/** Loads a module. @throws Error for an unknown name */
export async function importModule(name: string): Promise<unknown> {
  const load = Object.hasOwn(modules, name) ? modules[name] : undefined
  if (!load) throw new Error(`The simulated tenant has no runtime module ${JSON.stringify(name)}`)
  return load()
}
