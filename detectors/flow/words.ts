/** Words of people's texts: whom a user names, and what a user asks to be looked up. */

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

/** Told of each word: lower case, three characters or more. */
type OnWord = (word: string) => void

const WORD = /[\p{L}][\p{L}'\d]*/gu
/** Longer texts of a user hold material; who is meant stands in front or at the end. */
const PART_CHARS = 4_000

/** Whom or what a user's text names: words in capitals, and those behind a word like "to" or "invite". */
export function namesIn(text: string, name: OnWord): void {
  let before = ''
  for (const [found] of ends(text).matchAll(WORD)) {
    const word = found.toLowerCase().replace(/'s$/, '')
    if (word.length >= 3 && !COMMON.has(word) && (word.charCodeAt(0) !== found.charCodeAt(0) || LEADERS.has(before)))
      name(word)
    before = word
  }
}

/** What a user's text leaves to be looked up. */
export function delegatedBy(text: string): ReadonlySet<Delegated> {
  const delegated = new Set<Delegated>()
  for (const [found] of ends(text).matchAll(WORD)) {
    const word = found.toLowerCase()
    if (POINTERS.email.has(word)) delegated.add('email')
    if (POINTERS.account.has(word)) delegated.add('account')
    if (POINTERS.url.has(word)) delegated.add('url')
  }
  return delegated
}

/** Words of at least three letters that may be names, of a short stretch of text. */
export function wordsNear(text: string, found: OnWord): void {
  for (const [word] of text.matchAll(NEAR)) {
    const lower = word.toLowerCase()
    if (!COMMON.has(lower)) found(lower)
  }
}

const NEAR = /\p{L}{3,}/gu

const ends = (text: string): string =>
  text.length <= 2 * PART_CHARS ? text : `${text.slice(0, PART_CHARS)}\n${text.slice(-PART_CHARS)}`
