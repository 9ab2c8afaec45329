import { integerIn, isObject, objectIn } from './json-value.ts'
import { RpcError } from './rpc-error.ts'

/** A rectangle of cells, as clients ask for it and as pages report it. */
export interface PageArea {
  readonly qLeft: number
  readonly qTop: number
  readonly qWidth: number
  readonly qHeight: number
}

/** Cells in one request, as in Qlik. */
const maximumCells = 10_000

/**
 * Reads the areas a client asks for and cuts them to what there is.
 *
 * @throws RpcError When more cells are asked for than one answer may hold.
 */
export function pageAreas(
  requested: readonly unknown[],
  size: { readonly columns: number; readonly rows: number },
): readonly PageArea[] {
  let cells = 0
  return requested.filter(isObject).map(request => {
    const area = objectIn(request)
    const qLeft = clamp(integerIn(area.qLeft), size.columns)
    const qTop = clamp(integerIn(area.qTop), size.rows)
    const qWidth = clamp(integerIn(area.qWidth), size.columns - qLeft)
    const qHeight = clamp(integerIn(area.qHeight), size.rows - qTop)
    cells += qWidth * qHeight
    if (cells > maximumCells || requested.length > maximumCells) throw new RpcError('pagesTooLarge')
    return { qLeft, qTop, qWidth, qHeight }
  })
}

const clamp = (value: number, limit: number) => Math.max(0, Math.min(value, limit))
