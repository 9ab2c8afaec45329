/** The middle of them, which one bad round does not move. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @param share From 0 (the least) to 1 (the most). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Median, least and most, as the tables show it. */
export function spread(values: readonly number[], digits = 0): string {
  if (values.length === 0) return ''
  const text = (value: number): string => value.toFixed(digits)
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`
}
