/** Words of people's texts: whom a user names, and what a user asks to be looked up. */
import { readWords, type WordReader } from './word-reader.ts'
import { WordTable } from './word-table.ts'

/** What a user leaves to a text that is yet to be read: whom to write to, what to pay, which link to follow. */
export type Delegated = 'email' | 'account' | 'url'

const listed = (words: string): ReadonlySet<string> => new Set(words.split(' '))

/** Words that point at a value without saying it. */
const POINTERS: Readonly<Record<Delegated, ReadonlySet<string>>> = {
  email: listed(
    'reply respond answer sender senders recipient recipients participant participants attendee attendees everyone everybody all them him her they invitees guests customer customers client clients author authors owner owners contact contacts team members member subscribers manager colleagues colleague applicant candidate candidates reporter assignee organizer organiser supplier vendor whoever',
  ),
  account: listed(
    'bill bills invoice invoices rent refund refunds landlord pay payment payments repay reimburse owe owed back subscription fee fees tax taxes supplier vendor order orders number phone call account accounts card transaction transactions recipient same',
  ),
  url: listed(
    'link links url urls page pages site website websites webhook endpoint readme instructions docs documentation repository repo repositories clone download described according steps article articles ticket form',
  ),
}

/** Words that are not names, also where they stand as a name would. */
const COMMON = listed(
  'the and for with from that this these those all any our your his her their its can could would will shall may might must should please kindly send pay mail email write tell ask give get make create add invite schedule book find search look read check what when where which who how why are was were has have had been being not but you she they them him out off into onto about over under also then than there here now new old first last next each every both some more most other such only own same very just one two three four five today tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october november december transfer share forward reply respond summarize summarise summary update delete remove upload download post publish order buy refund cancel change set use run open close show list let help need want like know file files folder document documents report reports invoice bill meeting event calendar message messages account amount money price date time number address phone link page website team customer user users name names details information data text note notes subject body day week month year thanks thank hello dear hey yes invoices bills payment rent usd eur gbp dollars euros pounds',
)

const LEADERS = listed(
  'to with from for by invite email message contact ask tell pay refund notify call cc mail reimburse owe named called text remind',
)

/** Told of each word as a span of a text: three characters or more, in upper or lower case where they are ASCII, else lower. */
type OnWord = (text: string, start: number, end: number) => void

const COMMON_BIT = 1
const LEADER_BIT = 2
const DELEGATED_BITS: Readonly<Record<Delegated, number>> = { email: 4, account: 8, url: 16 }
const DELEGATED: readonly Delegated[] = ['email', 'account', 'url']

const table = new WordTable([
  [COMMON, COMMON_BIT],
  [LEADERS, LEADER_BIT],
  ...DELEGATED.map((kind) => [POINTERS[kind], DELEGATED_BITS[kind]] as const),
])

/** Longer texts of a user hold material; who is meant stands in front or at the end. */
const PART_CHARS = 4_000
const WORD_CHARS_MIN = 3
const APOSTROPHE = 39

/** What texts leave to be looked up, by the bits of its words. */
const DELEGATIONS: readonly ReadonlySet<Delegated>[] = Array.from(
  { length: 8 },
  (_, bits) => new Set(DELEGATED.filter((kind) => ((bits << 2) & DELEGATED_BITS[kind]) !== 0)),
)

/**
 * Reads a user's text once.
 * @param name told whom or what it names: words in capitals, and those behind a word like "to" or "invite"
 * @returns what it leaves to be looked up
 */
export function readAsked(text: string, name: OnWord): ReadonlySet<Delegated> {
  let pointers = 0
  let isLed = false
  const word: WordReader = (word, start, end, hash, isCapital) => {
    const whole = table.bitsOf(word, start, end, hash)
    pointers |= whole
    // "Anna's" names Anna.
    const isOwner =
      end - start > 2 && word.charCodeAt(end - 2) === APOSTROPHE && (word.charCodeAt(end - 1) | 32) === 115
    const until = isOwner ? end - 2 : end
    const bits = isOwner ? table.bitsOf(word, start, until) : whole
    if (until - start >= WORD_CHARS_MIN && (bits & COMMON_BIT) === 0 && (isCapital || isLed)) name(word, start, until)
    isLed = (bits & LEADER_BIT) !== 0
  }
  if (text.length <= 2 * PART_CHARS) readWords(text, 0, text.length, true, word)
  else {
    readWords(text, 0, PART_CHARS, true, word)
    readWords(text, text.length - PART_CHARS, text.length, true, word)
  }
  return DELEGATIONS[pointers >> 2] ?? DELEGATIONS[0] ?? new Set()
}

/** Words of at least three letters that may be names, of a stretch of text. */
export function wordsNear(text: string, from: number, until: number, found: OnWord): void {
  readWords(text, from, until, false, (word, start, end, hash) => {
    if (end - start >= WORD_CHARS_MIN && (table.bitsOf(word, start, end, hash) & COMMON_BIT) === 0)
      found(word, start, end)
  })
}
