import { randomBytes } from 'node:crypto'

/** An error response in Qlik Cloud's shape: `{ errors: [{ code, title, detail, status }], traceId }`. */
export class QlikError extends Error {
  override readonly name = 'QlikError'
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    title: string,
    detail?: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail === undefined ? title : `${title}: ${detail}`)
    this.status = status
    this.code = code
    this.title = title
    this.detail = detail
    this.headers = headers
  }

  /** The JSON body of the response. `status` is a string, as in responses of Qlik Cloud. */
  body(): Record<string, unknown> {
    const error = {
      title: this.title,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      code: this.code,
      status: String(this.status),
    }
    return { errors: [error], traceId: randomBytes(16).toString('hex') }
  }
}
