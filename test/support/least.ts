const ROUNDS_MAX = 6

/**
 * Measures until a value fits, a few times at most: what else the machine does can only add to a time.
 * @returns the least
 */
export async function least(fits: (value: number) => boolean, measure: (round: number) => Promise<number>) {
  let found = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS_MAX && !fits(found); round++) found = Math.min(found, await measure(round))
  return found
}
