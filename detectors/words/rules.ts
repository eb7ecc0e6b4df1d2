import type { WordClass } from './lexicon.ts'

/** What a rule is about; each detector reports its own. */
export type Kind = 'prompt-injection' | 'jailbreak' | 'tool-poisoning'

/** A word before the last one of a rule. */
interface Step {
  readonly any: readonly WordClass[]
  /** The most words between that one and the next that are not fillers. */
  readonly gapMax: number
}

/** A way to give a model orders: words of certain classes, in one sentence, near each other. */
export interface WordRule {
  readonly id: string
  readonly kind: Kind
  readonly score: number
  readonly last: readonly WordClass[]
  /** From the last word backwards. */
  readonly before: readonly Step[]
  /** The last word must be the name of a tag. */
  readonly tag?: true
  /** What it scores where the words are quoted in a text about such words. */
  readonly quoted?: number
  /** The rule holds a "not" itself: one before its first word says nothing. */
  readonly negated?: true
}

/** Few and precise: what can be said in more ways is the model's. One above 0.9 stands alone; those below add up. */
export const WORD_RULES: readonly WordRule[] = [
  {
    id: 'instruction-override',
    kind: 'prompt-injection',
    score: 0.96,
    quoted: 0.4,
    last: ['instruction'],
    before: [
      { any: ['previous'], gapMax: 1 },
      { any: ['ignore'], gapMax: 1 },
    ],
  },
  {
    id: 'instruction-override',
    kind: 'prompt-injection',
    score: 0.96,
    quoted: 0.4,
    last: ['previous'],
    before: [
      { any: ['instruction'], gapMax: 2 },
      { any: ['ignore'], gapMax: 1 },
    ],
  },
  {
    id: 'instruction-override',
    kind: 'prompt-injection',
    score: 0.75,
    quoted: 0.4,
    last: ['instruction'],
    before: [
      { any: ['all', 'your'], gapMax: 0 },
      { any: ['ignore'], gapMax: 1 },
    ],
  },
  {
    id: 'instruction-override',
    kind: 'prompt-injection',
    score: 0.5,
    last: ['previous'],
    before: [
      { any: ['all'], gapMax: 0 },
      { any: ['ignore'], gapMax: 0 },
    ],
  },
  {
    id: 'prompt-request',
    kind: 'prompt-injection',
    score: 0.6,
    last: ['instruction'],
    before: [
      { any: ['hidden'], gapMax: 0 },
      { any: ['your'], gapMax: 0 },
      { any: ['show'], gapMax: 2 },
    ],
  },
  {
    id: 'note-for-model',
    kind: 'prompt-injection',
    score: 0.8,
    last: ['reader'],
    before: [
      { any: ['agent'], gapMax: 1 },
      { any: ['message'], gapMax: 1 },
    ],
  },
  {
    id: 'persona-anything',
    kind: 'jailbreak',
    score: 0.96,
    quoted: 0.4,
    last: ['now'],
    before: [
      { any: ['anything'], gapMax: 0 },
      { any: ['do'], gapMax: 0 },
    ],
  },
  {
    id: 'limits-lifted',
    kind: 'jailbreak',
    score: 0.7,
    last: ['restriction', 'moral'],
    before: [
      { any: ['bound'], gapMax: 3 },
      { any: ['negation'], gapMax: 1 },
    ],
    negated: true,
  },
  {
    id: 'mode-switch',
    kind: 'jailbreak',
    score: 0.6,
    last: ['enabled'],
    before: [
      { any: ['mode'], gapMax: 0 },
      { any: ['unlock'], gapMax: 0 },
    ],
  },
  {
    id: 'limits-none',
    kind: 'jailbreak',
    score: 0.5,
    last: ['restriction'],
    before: [
      { any: ['moral'], gapMax: 1 },
      { any: ['without'], gapMax: 1 },
    ],
    negated: true,
  },
  { id: 'order-tag', kind: 'tool-poisoning', score: 0.75, last: ['tag'], before: [], tag: true },
  {
    id: 'key-files',
    kind: 'tool-poisoning',
    score: 0.85,
    last: ['keyfile'],
    before: [{ any: ['read'], gapMax: 4 }],
  },
  {
    id: 'settings-files',
    kind: 'tool-poisoning',
    score: 0.45,
    last: ['settings'],
    before: [{ any: ['read'], gapMax: 4 }],
  },
  {
    id: 'secrecy',
    kind: 'tool-poisoning',
    score: 0.6,
    last: ['user'],
    before: [
      { any: ['tell'], gapMax: 2 },
      { any: ['negation', 'without'], gapMax: 1 },
    ],
    negated: true,
  },
  {
    id: 'tool-order',
    kind: 'tool-poisoning',
    score: 0.4,
    last: ['tool'],
    before: [
      { any: ['use'], gapMax: 2 },
      { any: ['before'], gapMax: 1 },
    ],
  },
]
