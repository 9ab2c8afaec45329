import { integerIn, isObject, objectIn } from '../json-rpc/json-value.ts'
import { RpcError } from '../json-rpc/rpc-error.ts'

/** A rectangle of cells: a requested page or `qArea` of a returned page. */
export interface PageArea {
  readonly qLeft: number
  readonly qTop: number
  readonly qWidth: number
  readonly qHeight: number
}

/** Qlik's limit of cells per request. */
const maximumCells = 10_000

/**
 * Clips the requested pages to the available cells.
 *
 * @throws RpcError 7009 for more than 10,000 cells
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
