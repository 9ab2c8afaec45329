/** A method that the proxy forwards. */
export type ProxiedMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** Methods that a pattern without its own list is open to. */
export const defaultMethods: readonly ProxiedMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
