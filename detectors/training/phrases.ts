import { EXTRACTION } from './phrases/extraction.ts'
import { HONEST_EVERYDAY } from './phrases/honest-everyday.ts'
import { HONEST_TEXTS } from './phrases/honest-texts.ts'
import { HONEST_WORK } from './phrases/honest-work.ts'
import { INDIRECT, POISONED } from './phrases/indirect.ts'
import { JAILBREAKS } from './phrases/jailbreaks.ts'
import { LANGUAGES } from './phrases/languages.ts'
import { OVERRIDES } from './phrases/overrides.ts'
import { PARTS } from './phrases/parts.ts'

/** Patterns of one kind; each writes many texts. */
export interface Phrases {
  readonly set: string
  readonly label: 0 | 1
  readonly patterns: readonly string[]
}

/** Texts of our own for training: attacks that the data sets have few of, and honest ones that use the same words. */
export const PHRASES: readonly Phrases[] = [
  { set: 'own:override', label: 1, patterns: OVERRIDES },
  { set: 'own:indirect', label: 1, patterns: INDIRECT },
  { set: 'own:poisoned', label: 1, patterns: POISONED },
  { set: 'own:extraction', label: 1, patterns: EXTRACTION },
  { set: 'own:languages', label: 1, patterns: LANGUAGES },
  { set: 'own:jailbreak', label: 1, patterns: JAILBREAKS },
  { set: 'own:honest-work', label: 0, patterns: HONEST_WORK },
  { set: 'own:honest-everyday', label: 0, patterns: HONEST_EVERYDAY },
  { set: 'own:honest-texts', label: 0, patterns: HONEST_TEXTS },
]

const DEPTH_MAX = 60

/** Writes a text by a pattern; the same random numbers give the same text. */
export function spin(pattern: string, random: () => number): string {
  let text = pattern
  for (let round = 0; round < DEPTH_MAX; round++) {
    const named = text.replace(/<([a-z]+)>/g, (whole, name: string) => PARTS[name] ?? whole)
    const chosen = named.replace(/\{([^{}]*)\}/g, (_, choices: string) => {
      const all = choices.split('|')
      return all[Math.floor(random() * all.length)] ?? ''
    })
    if (chosen === text) break
    text = chosen
  }
  return text.replaceAll('¦', '|').replace(/ {2,}/g, ' ').trim()
}
