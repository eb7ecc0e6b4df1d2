import { isMap, isNode, isScalar, isSeq, type Node } from 'yaml'
import type { YamlDocument } from './yaml.ts'

/** A place in a document: its line, and whether the path leads to something that stands there. */
export interface Place {
  /** 1-based. */
  readonly line: number
  readonly exists: boolean
}

/** The line of what stands at a path: a scalar's own, a map's or list's key; of the nearest parent if nothing does. */
export function placeOf({ document, lines }: YamlDocument, path: readonly PropertyKey[]): Place {
  let node: Node | null = isNode(document.contents) ? document.contents : null
  let offset = node?.range?.[0] ?? 0
  const at = (exists: boolean): Place => ({ line: Math.max(1, lines.linePos(offset).line), exists })
  for (const step of path) {
    const child = childOf(node, step)
    if (!child) return at(false)
    offset = child.offset
    node = child.node
  }
  return at(true)
}

function childOf(node: Node | null, step: PropertyKey): { readonly node: Node | null; readonly offset: number } | null {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
    if (!pair || !isNode(pair.key)) return null
    const value = isNode(pair.value) ? pair.value : null
    const shown = isScalar(value) && value.value !== null ? value : pair.key
    return { node: value, offset: shown.range?.[0] ?? 0 }
  }
  if (!isSeq(node) || typeof step !== 'number') return null
  const item = node.items[step]
  return isNode(item) ? { node: item, offset: item.range?.[0] ?? 0 } : null
}

/** A path as it is shown: `spec.detectors.secrets`, `spec.rules[2].when`. */
export function showPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('')
}
