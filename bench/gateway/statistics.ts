/** Small statistics of sorted figures. */

/** The value at `share` (0 to 1) of ascending values, by the nearest rank. Throws if there are none. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  const value = ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)]
  if (value === undefined) throw new Error('no values to take a percentile of')
  return value
}

/** The middle value, or the mean of the two in the middle. Throws if there are none. */
export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b)
  return (percentile(ascending, 0.5) + percentile([...ascending].reverse(), 0.5)) / 2
}

/** Distance between the extremes as a share of the median; 0 where the median is. */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  return middle === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / middle
}
