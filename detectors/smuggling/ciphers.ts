/** Ways to write a sentence that another reader takes for noise, and that a model reads. */
import { type Decoded, oneByOne, Rewriter } from './decoded.ts'

/** Letters moved by 13. */
export const rot13 = (text: string): string =>
  text.replace(/[A-Za-z]/g, (char) =>
    String.fromCharCode(char.charCodeAt(0) + ((char.charCodeAt(0) | 32) < 110 ? 13 : -13)),
  )

/** From the end to the beginning. */
export const reversed = (text: string): string => [...text].reverse().join('')

const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'l',
}

/** Digits and signs as the letters that they stand for, inside words. */
export const unleet = (text: string): string =>
  text
    .replace(/11/g, 'll')
    .replace(/[A-Za-z0-9@$!|]*[A-Za-z][A-Za-z0-9@$!|]*/g, (word) =>
      word.replace(/[013457@$|]|!(?=[A-Za-z0-9])/g, (char) => LEET[char] ?? char),
    )

/** Single letters with one sign between them as words; two signs or more stand between words. */
export function unspaced(text: string, from: number, to: number): Decoded {
  const rewriter = new Rewriter()
  let copied = from
  for (let at = from + 1; at + 1 < to; at++) {
    if (!GAP.test(text[at] ?? '') || !isSingle(text, at - 1) || !isSingle(text, at + 1)) continue
    rewriter.copy(text.slice(copied, at), copied)
    copied = at + 1
  }
  rewriter.copy(text.slice(copied, to), copied)
  return rewriter.done()
}

const GAP = /[ .\-_*·]/
const LETTER = /[A-Za-z0-9]/
const isLetter = (text: string, at: number): boolean => LETTER.test(text[at] ?? '')
/** A letter with no letter beside it. */
const isSingle = (text: string, at: number): boolean =>
  isLetter(text, at) && !isLetter(text, at - 1) && !isLetter(text, at + 1)

const CODES =
  '.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..'
const LETTER_OF: ReadonlyMap<string, string> = new Map(
  CODES.split(' ').map((code, index) => [code, String.fromCharCode(97 + index)]),
)

/** Dots and dashes; a stroke or two blanks stand between words. */
export function unmorse(text: string, from: number, to: number): Decoded {
  const rewriter = new Rewriter()
  for (const match of text.slice(from, to).matchAll(/[.-]{1,6}|\s?\/\s?|\s{2,}|\n/g)) {
    const at = from + match.index
    rewriter.put(/[\s/]/.test(match[0]) ? ' ' : (LETTER_OF.get(match[0]) ?? ''), at, at + match[0].length)
  }
  return rewriter.done()
}

/** A stretch whose letters stand for others, each for one. */
export function replaced(text: string, from: number, to: number, turn: (text: string) => string): Decoded {
  return oneByOne(turn(text.slice(from, to)), (index) => from + index)
}

/** A stretch that is written backwards: what is found in it ends where it began. */
export function turnedRound(text: string, from: number, to: number): Decoded {
  return { text: reversed(text.slice(from, to)), startOf: (index) => to - index, endOf: (index) => to - index }
}
