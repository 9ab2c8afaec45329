/**
 * The modules of Qlik's runtime that this one has, by the names loaders ask for. Each is loaded when first asked for.
 */
const modules: Readonly<Record<string, () => Promise<unknown>>> = {
  'embed-vanilla@v1': () => import('./embed-vanilla.ts'),
  'initial-app-state@v1': () => import('./initial-app-state.ts'),
  // Qlik's own code, from the package @qlik/api: its browser build takes these three from the tenant.
  'auth@v1': () => import('qlik-api:auth'),
  'qix@v1': () => import('qlik-api:qix'),
  'invoke-fetch@v1': () => import('qlik-api:invoke-fetch'),
  // Reads the authorization response from the address of its page as soon as it is loaded, and goes back to the page
  // that asked.
  'oauth-callback@v1': () => import('qlik-api:auth'),
}

export async function importModule(name: string): Promise<unknown> {
  const load = Object.hasOwn(modules, name) ? modules[name] : undefined
  if (!load) throw new Error(`The simulated tenant has no runtime module ${JSON.stringify(name)}`)
  return load()
}
