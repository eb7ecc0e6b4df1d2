import { gunzipSync } from 'node:zlib'

/** Most bytes of a list, unpacked. */
export const LIST_BYTES_MAX = 64 * 1024 * 1024
/** A server may pack what is packed already. */
const LAYERS_MAX = 2

/** A text, or why there is none. */
export type Unpacked = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string }

const refuse = (reason: string): Unpacked => ({ ok: false, reason })

/** Unpacks a list that may be gzip, by what stands in it, and never more than {@link LIST_BYTES_MAX} of it. */
export function unpack(packed: Uint8Array): Unpacked {
  let bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let layer = 0; bytes[0] === 0x1f && bytes[1] === 0x8b; layer++) {
    if (layer === LAYERS_MAX) return refuse(`it is packed more than ${LAYERS_MAX} times`)
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: LIST_BYTES_MAX })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      return refuse(code === 'ERR_BUFFER_TOO_LARGE' ? TOO_LARGE : 'it is gzip that cannot be unpacked: it is not whole')
    }
  }
  if (bytes.length > LIST_BYTES_MAX) return refuse(TOO_LARGE)
  if (bytes.toString('latin1', 0, 4) === 'PK\u0003\u0004') return refuse('it is a zip archive: unpack it, or use gzip')
  const text = bytes.toString('utf8')
  if (/^\s*<(?:!doctype|html)/i.test(text.slice(0, 1_024))) return refuse('it is a web page and no list')
  return { ok: true, text }
}

const TOO_LARGE = `it has more than ${LIST_BYTES_MAX / 1024 / 1024} MiB unpacked`
