import { type Document, toDocument } from './documents.ts'
import { honestFiles, ownPhrases } from './gather.ts'
import { createRandom } from './random.ts'
import { type Row, readRows } from './rows.ts'

const SEED = 7
const FILES_MAX = 1_200
const PHRASES_EACH = 30
/** Texts of one set count for so many at most: sets of one template have hundreds. */
const ATTACKS_COUNT_MAX = 120
const OWN_ATTACKS_COUNT_MAX = 400
const HONEST_COUNT_MAX = 700
const ATTACK_WEIGHT = 1.5
const HONEST_WEIGHT = 2
const OWN_HONEST_WEIGHT = 3
/** Attacks that read like honest sentences, of which a model of words learns little but their other words. */
const HARD = ['bipia_text', 'bipia_code', 'jbb_DSN']
const HARD_SHARE = 0.3

/** Reads everything that is trained from, each text with its weight. */
export function readCorpus(data: string, folders: readonly string[]): readonly Document[] {
  const files = honestFiles(folders, FILES_MAX)
  const around = files.map(({ text }) => text)
  const rows = [...readRows(data), ...files, ...ownPhrases(PHRASES_EACH, around, createRandom(SEED))]
  const counts = new Map<string, number>()
  for (const row of rows) counts.set(setOf(row), (counts.get(setOf(row)) ?? 0) + 1)
  return rows.map((row) => toDocument(row, weightOf(row, counts.get(setOf(row)) ?? 1)))
}

/** A set's attacks, or its honest texts. */
export const setOf = ({ set, label }: Row): string => `${set} ${label === 1 ? 'attack' : 'honest'}`

const isOwn = (set: string): boolean => set.startsWith('own:')

function weightOf({ set, label }: Row, count: number): number {
  if (label === 0) return (isOwn(set) ? OWN_HONEST_WEIGHT : HONEST_WEIGHT) * Math.min(1, HONEST_COUNT_MAX / count)
  const share = HARD.includes(set) ? HARD_SHARE : 1
  return ATTACK_WEIGHT * share * Math.min(1, (isOwn(set) ? OWN_ATTACKS_COUNT_MAX : ATTACKS_COUNT_MAX) / count)
}
