import type { VersionRange } from './indicator.ts'

/** Whether a version lies in a range. */
export const isWithin = (version: string, { from, to, inclusive }: VersionRange): boolean => {
  if (from !== '0' && compareVersions(version, from) < 0) return false
  if (to === null) return true
  const order = compareVersions(version, to)
  return inclusive ? order <= 0 : order < 0
}

/**
 * Orders versions: numbers by their value, and what is released before what is (`1.0.0-rc.1`, `1.0rc1`), which is what
 * semver and PEP 440 agree on.
 * @returns below, at or above 0
 */
function compareVersions(one: string, other: string): number {
  const [a, b] = [partsOf(one), partsOf(other)]
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const order = compareParts(a[at], b[at])
    if (order !== 0) return order
  }
  return 0
}

const PARTS_MAX = 16

/** Numbers and words. What is built is no part of the order (`+…`). */
const partsOf = (version: string): readonly string[] =>
  (
    version
      .slice(0, 100)
      .replace(/^[v=]+/, '')
      .replace(/\+.*$/, '')
      .toLowerCase()
      .match(/\d+|[a-z]+/g) ?? []
  ).slice(0, PARTS_MAX)

/** A missing part is 0; a word stands before every number, but `post` behind. */
function compareParts(one = '0', other = '0'): number {
  const [a, b] = [weightOf(one), weightOf(other)]
  if (a !== b) return a - b
  return a < 0 ? (one < other ? -1 : one > other ? 1 : 0) : 0
}

const weightOf = (part: string): number => (/^\d/.test(part) ? Number(part) : part === 'post' ? 0.5 : -1)
