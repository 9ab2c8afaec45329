/** The median, which one outlier does not move. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @param share From 0 (minimum) to 1 (maximum). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Median with minimum and maximum, as the tables show it. */
export function spread(values: readonly number[], digits = 0): string {
  if (values.length === 0) return ''
  const text = (value: number): string => value.toFixed(digits)
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`
}
