/**
 * Files inside a request, as base64. What is text is judged as text of whoever sent it; pictures, sound and documents that
 * only a viewer can read are passed over, and counted.
 */
import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { percentDecoded } from '../percent-decoded.ts'
import { textOf } from './text-of.ts'

/** What is passed over; `cut` is the rest of a text that is longer than what is read of one. */
export const MEDIA = ['image', 'audio', 'video', 'pdf', 'other', 'cut'] as const
/** One of {@link MEDIA}. */
export type Media = (typeof MEDIA)[number]

/** Is told of each file that is passed over. */
export type PassedOver = (media: Media) => void

/** Files are not read: an answer's are pictures of it, and whoever only compares requests need not look into them. */
export const UNREAD: PassedOver = () => undefined

/** Of a longer text the beginning is judged. */
const BYTES_MAX = 1 << 20
const BASE64_CHARS_MAX = Math.floor(BYTES_MAX / 3) * 4
const DATA_URL = /^data:([^,;]{0,128})([^,]{0,256}),/i
/** What a model is given as text, whatever bytes are in it. */
const TEXT_TYPE = /^(?:text\/|image\/svg|application\/(?:[\w.-]+\+)?(?:json|xml|csv|yaml|x-yaml|javascript)\b)/i
const LEADING_TYPES: Readonly<Record<string, Media>> = { image: 'image', audio: 'audio', video: 'video', font: 'other' }

type Path = Segment['path']

/** Reads a file that stands as base64 at a place. @param mediaType as the request names it; empty where it does not */
export function addFile(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  mediaType: string,
  base64: string,
  passedOver: PassedOver,
): void {
  if (passedOver === UNREAD) return
  const known = mediaOf(mediaType)
  if (known !== null) {
    passedOver(known)
    return
  }
  const bytes = Buffer.from(base64.slice(0, BASE64_CHARS_MAX), 'base64')
  const text = textOf(bytes, TEXT_TYPE.test(mediaType.trim()))
  if (text === null) {
    passedOver(bytes.subarray(0, 5).toString('latin1') === '%PDF-' ? 'pdf' : 'other')
    return
  }
  if (base64.length > BASE64_CHARS_MAX) passedOver('cut')
  addDecoded(into, source, path, text)
}

/** Reads a file that stands as a `data:` URL, or as bare base64, at a place. */
export function addDataUrl(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  url: string,
  passedOver: PassedOver,
): void {
  if (passedOver === UNREAD) return
  const [head, mediaType = '', options = ''] = DATA_URL.exec(url.slice(0, 512)) ?? []
  if (head === undefined) addFile(into, source, path, '', url, passedOver)
  else if (/;base64$/i.test(options)) addFile(into, source, path, mediaType, url.slice(head.length), passedOver)
  else {
    const known = mediaOf(mediaType)
    if (known !== null) passedOver(known)
    else addDecoded(into, source, path, percentDecoded(url.slice(head.length, head.length + BYTES_MAX)))
  }
}

function addDecoded(into: Segment[], source: SegmentSource, path: Path, text: string): void {
  if (text !== '') into.push({ source, path, text, sealed: true, decoded: true })
}

/** The medium of a type that is no text, whatever its bytes are; `null` if the bytes have to tell. A drawing in SVG is text. */
function mediaOf(mediaType: string): Media | null {
  const type = mediaType.trim().toLowerCase()
  if (type === 'application/pdf') return 'pdf'
  if (/^image\/svg/.test(type)) return null
  return LEADING_TYPES[type.split('/', 1)[0] ?? ''] ?? null
}
