/** One text in every way to hide it that is looked into. */
import { reversed, rot13 } from '../../smuggling/ciphers.ts'

/** Tag characters. */
export const asTags = (text: string): string =>
  [...text].map((char) => String.fromCodePoint(0xe0000 + char.charCodeAt(0))).join('')

/** A variation selector a byte. */
export const asSelectors = (text: string): string =>
  [...Buffer.from(text)].map((byte) => String.fromCodePoint(byte < 16 ? 0xfe00 + byte : 0xe0100 + byte - 16)).join('')

/** Eight characters without width a letter. */
export const asBits = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => byte.toString(2).padStart(8, '0').replaceAll('0', '\u200b').replaceAll('1', '\u200c'))
    .join('')

export const asBase64 = (text: string): string => Buffer.from(text).toString('base64')
/** In lines as mail has them. */
export const asLines = (text: string, end = '\r\n'): string => asBase64(text).replace(/.{76}(?=.)/g, `$&${end}`)
/** As PowerShell takes it. */
export const asWide = (text: string): string => Buffer.from(text, 'utf16le').toString('base64')
export const asHex = (text: string): string => Buffer.from(text).toString('hex')
const eachAs = (text: string, write: (hex: string, code: number) => string): string =>
  [...text].map((char) => write(char.charCodeAt(0).toString(16).padStart(2, '0'), char.charCodeAt(0))).join('')
export const asUrl = (text: string): string => eachAs(text, (hex) => `%${hex}`)
const asEntities = (text: string): string => eachAs(text, (_, code) => `&#${code};`)
const asEscapes = (text: string): string => eachAs(text, (hex) => `\\u00${hex}`)
const asLeet = (text: string): string =>
  text.replace(/[oieast]/g, (char) => ({ o: '0', i: '1', e: '3', a: '4', s: '5', t: '7' })[char] ?? char)
const asSpaced = (text: string): string =>
  text
    .split(' ')
    .map((word) => word.split('').join(' '))
    .join('   ')
const CODES =
  '.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..'.split(
    ' ',
  )
const asMorse = (text: string): string =>
  text
    .toLowerCase()
    .split(' ')
    .map((word) => [...word].map((char) => CODES[char.charCodeAt(0) - 97] ?? '').join(' '))
    .join(' / ')
/** Cyrillic letters in the place of Latin ones. */
export const asLookAlikes = (text: string): string =>
  text.replace(/[aeopc]/g, (char) => ({ a: 'а', e: 'е', o: 'о', p: 'р', c: 'с' })[char] ?? char)
/** Letters of mathematics. */
export const asStyled = (text: string): string =>
  text.replace(/[a-z]/g, (char) => String.fromCodePoint(0x1d41a + char.charCodeAt(0) - 97))

/** Ways that a person may see and not read. */
export const ENCODERS: Readonly<Record<string, (text: string) => string>> = {
  base64: asBase64,
  lines: (text) => asLines(`${text} `.repeat(3)),
  wide: asWide,
  hex: asHex,
  url: asUrl,
  spaces: (text) => `https://a.example/?q=${text.replaceAll(' ', '%20')}`,
  entities: asEntities,
  escapes: asEscapes,
  rot13,
  reversed,
  leet: asLeet,
  spaced: asSpaced,
  morse: asMorse,
  nested: (text) => asBase64(`read this: ${asBase64(text)}`),
  'nested twice': (text) => asBase64(asHex(asBase64(text))),
}
