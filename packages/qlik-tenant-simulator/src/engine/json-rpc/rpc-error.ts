/** An error sent to the client in a JSON-RPC response. */
export class RpcError extends Error {
  override name = 'RpcError'
  readonly code: number
  readonly parameter: string

  constructor(code: keyof typeof codes, parameter = '', message: string = codes[code][1]) {
    super(message)
    this.code = codes[code][0]
    this.parameter = parameter
  }
}

/** Codes of JSON-RPC 2.0 (negative) and of the engine, with their default messages. */
const codes = {
  parse: [-32700, 'Parse error'],
  request: [-32600, 'Invalid request'],
  method: [-32601, 'Method not found'],
  parameters: [-32602, 'Invalid parameters'],
  internal: [-32603, 'Internal error'],
  notFound: [2, 'Not found'],
  accessDenied: [5, 'Access denied'],
  limit: [6, 'Too many objects'],
  appNotFound: [1003, 'App not found'],
  appNotOpen: [1015, 'No app is open on this connection'],
  invalidHandle: [-32602, 'Unknown handle'],
  pagesTooLarge: [7009, 'Calc pages too large'],
} as const satisfies Record<string, readonly [number, string]>
