/** IP addresses as numbers, and networks of them. */

/** An IPv4 address of four decimal parts as a number; -1 for any other text. */
export function readV4(text: string, start = 0, end = text.length): number {
  if (end - start < 7 || end - start > 15) return -1
  let value = 0
  let part = -1
  let dots = 0
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit === -2) {
      if (part < 0 || ++dots > 3) return -1
      value = value * 256 + part
      part = -1
    } else if (digit >= 0 && digit <= 9) {
      // Whoever writes "010" may mean eight.
      if (part === 0) return -1
      part = part < 0 ? digit : part * 10 + digit
      if (part > 255) return -1
    } else return -1
  }
  return dots === 3 && part >= 0 ? value * 256 + part : -1
}

/** The other way round. */
export const showV4 = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`

/** The eight groups of an IPv6 address; `null` for any other text. A zone is none. */
export function readV6(text: string): readonly number[] | null {
  if (text.length < 2 || text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [front, back] = halves.map(groupsOf)
  if (!front || (halves.length === 2 && !back)) return null
  if (halves.length === 1) return front.length === 8 ? front : null
  const missing = 8 - front.length - (back?.length ?? 0)
  return missing < 1 ? null : [...front, ...new Array<number>(missing).fill(0), ...(back ?? [])]
}

function groupsOf(text: string): readonly number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes('.')) {
      const v4 = readV4(part)
      if (v4 < 0) return null
      groups.push(Math.floor(v4 / 65_536), v4 % 65_536)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

/** The first `bits` of an IPv4 address as text that is the same for every address of the network. */
export const networkV4 = (value: number, bits: number): string =>
  `${bits}/${bits === 0 ? 0 : Math.floor(value / 2 ** (32 - bits))}`

/** The same of an IPv6 address. */
export function networkV6(groups: readonly number[], bits: number): string {
  const whole = groups.slice(0, bits >> 4).map((group) => group.toString(16))
  const rest = bits & 15
  if (rest > 0) whole.push(((groups[bits >> 4] ?? 0) >>> (16 - rest)).toString(16))
  return `${bits}/${whole.join(':')}`
}

/** A network. */
export type Network =
  | { readonly version: 4; readonly value: number; readonly bits: number }
  | { readonly version: 6; readonly groups: readonly number[]; readonly bits: number }

/** Reads an address or a network in CIDR notation; `null` for any other text. */
export function readNetwork(text: string): Network | null {
  const [address = '', length, ...others] = text
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .split('/')
  if (others.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return null
  const value = readV4(address)
  if (value >= 0) {
    const bits = length === undefined ? 32 : Number(length)
    return bits <= 32 ? { version: 4, value, bits } : null
  }
  const groups = readV6(address)
  const bits = length === undefined ? 128 : Number(length)
  return groups === null || bits > 128 ? null : { version: 6, groups, bits }
}

/** The text by which an IPv4 address and its port are looked up together. */
export const endpointText = (value: number, port: number): string => `${port}@${networkV4(value, 32)}`
