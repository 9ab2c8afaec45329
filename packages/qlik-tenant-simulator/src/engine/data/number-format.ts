/** The members of a number format (`qNumFormat`) that the engine reads. */
export interface NumberFormat {
  /** `U` unknown, `I` integer, `F` fixed, `R` real, `M` money. */
  readonly qType?: unknown
  readonly qnDec?: unknown
  readonly qUseThou?: unknown
  readonly qFmt?: unknown
  readonly qDec?: unknown
  readonly qThou?: unknown
}

/** Formats a number by `qFmt` (such as `#,##0.0` or `0%`), or by `qnDec` and `qUseThou`. */
export function formatNumber(value: number, format: NumberFormat = {}): string {
  const pattern = typeof format.qFmt === 'string' ? format.qFmt : ''
  const isPercent = pattern.endsWith('%')
  const number = isPercent ? value * 100 : value
  const decimals = decimalsOf(format, pattern)
  // The digits that a double holds reliably: 0.1 + 0.2 is shown as 0.3.
  const text = decimals === undefined ? String(Number(number.toPrecision(14))) : number.toFixed(decimals)
  if (text.includes('e')) return text

  const [whole = '', fraction] = text.split('.')
  const thousands = format.qUseThou === 1 || /#[^#0]##0/.test(pattern) ? separator(format.qThou, ',') : ''
  const grouped = thousands ? whole.replace(/\B(?=(\d{3})+$)/g, thousands) : whole
  return `${grouped}${fraction === undefined ? '' : separator(format.qDec, '.') + fraction}${isPercent ? '%' : ''}`
}

function decimalsOf(format: NumberFormat, pattern: string): number | undefined {
  if (format.qType === 'I') return 0
  if (format.qType !== 'F' && format.qType !== 'M') return undefined
  if (pattern) return /\.([0#]+)/.exec(pattern)?.[1]?.length ?? 0
  const decimals = format.qnDec
  return typeof decimals === 'number' && Number.isInteger(decimals) && decimals >= 0 && decimals <= 20 ? decimals : 2
}

function separator(value: unknown, fallback: string): string {
  return typeof value === 'string' && value.length === 1 ? value : fallback
}
