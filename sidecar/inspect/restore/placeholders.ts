import { createHmac } from 'node:crypto'
import type { PlaceholderOf } from '@agentcostcontrol/detectors'

/** Every placeholder begins so, and no other `[` stands in one. */
export const PLACEHOLDER_START = '[REDACTED:'
/** Consonants: no word, no number and no key looks like a row of them, and a model copies them as they are. */
const LETTERS = 'bcdfghjklmnpqrst'
/** 48 bits: among ten thousand values of one request two share a placeholder once in five million requests. */
const DIGEST_LETTERS = 12
const PLACEHOLDER = new RegExp(`^\\[REDACTED:[a-z0-9.-]{1,253}:[${LETTERS}]{${DIGEST_LETTERS}}\\]$`)

/** Writes placeholders for the values of one agent. */
export type Placeholders = (agent: string | null) => PlaceholderOf

/**
 * One placeholder for each value, like `[REDACTED:email:kdfgtrqmhbns]`: the rule, and a digest of agent and value with a
 * key that never leaves the sidecar. It is the same in every turn and after a restart, tells nothing to whoever tries
 * all values, and two agents cannot see that they share one. A placeholder that comes back stays as it is.
 * @param key 32 bytes
 */
export const createPlaceholders =
  (key: Buffer): Placeholders =>
  (agent) =>
  ({ ruleId }, value) =>
    PLACEHOLDER.test(value) ? value : `${PLACEHOLDER_START}${ruleId}:${digest(key, agent ?? '', value)}]`

function digest(key: Buffer, agent: string, value: string): string {
  // As UTF-16, in which halves of a pair differ too.
  const bytes = createHmac('sha256', key).update(`${agent.length} ${agent}${value}`, 'utf16le').digest()
  let letters = ''
  for (let at = 0; letters.length < DIGEST_LETTERS; at++) {
    const byte = bytes[at] ?? 0
    letters += LETTERS.charAt(byte >> 4) + LETTERS.charAt(byte & 15)
  }
  return letters
}
