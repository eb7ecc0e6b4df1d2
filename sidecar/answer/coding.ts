import type { Transform } from 'node:stream'
import { promisify } from 'node:util'
import {
  brotliCompress,
  brotliDecompress,
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createDeflate,
  createGunzip,
  createGzip,
  createInflate,
  createZstdCompress,
  createZstdDecompress,
  deflate,
  gunzip,
  gzip,
  inflate,
  type Zlib,
  zstdCompress,
  zstdDecompress,
} from 'node:zlib'

type Whole = (bytes: Buffer, options: { maxOutputLength?: number }) => Promise<Buffer>

/** A content coding (RFC 9110 §8.4.1) in both directions, for whole bodies and for streams. */
export interface ContentCoding {
  readonly name: string
  decode(bytes: Buffer, bytesMax: number): Promise<Buffer>
  encode(bytes: Buffer): Promise<Buffer>
  decoder(): Transform & Zlib
  /** Each write is flushed, so that no event waits for the next one. */
  encoder(): Transform & Zlib
}

function coding(
  name: string,
  decode: Whole,
  encode: Whole,
  decoder: () => Transform & Zlib,
  encoder: () => Transform & Zlib,
): ContentCoding {
  return {
    name,
    decode: (bytes, maxOutputLength) => decode(bytes, { maxOutputLength }),
    encode: (bytes) => encode(bytes, {}),
    decoder,
    encoder,
  }
}

const FLUSH = { flush: constants.Z_SYNC_FLUSH }
const CODINGS: readonly ContentCoding[] = [
  coding(
    'gzip',
    promisify<Buffer, object, Buffer>(gunzip),
    promisify<Buffer, object, Buffer>(gzip),
    () => createGunzip(),
    () => createGzip(FLUSH),
  ),
  coding(
    'deflate',
    promisify<Buffer, object, Buffer>(inflate),
    promisify<Buffer, object, Buffer>(deflate),
    () => createInflate(),
    () => createDeflate(FLUSH),
  ),
  coding(
    'br',
    promisify<Buffer, object, Buffer>(brotliDecompress),
    promisify<Buffer, object, Buffer>(brotliCompress),
    () => createBrotliDecompress(),
    () =>
      createBrotliCompress({
        flush: constants.BROTLI_OPERATION_FLUSH,
        params: { [constants.BROTLI_PARAM_QUALITY]: 4 },
      }),
  ),
  coding(
    'zstd',
    promisify<Buffer, object, Buffer>(zstdDecompress),
    promisify<Buffer, object, Buffer>(zstdCompress),
    () => createZstdDecompress(),
    () => createZstdCompress({ flush: constants.ZSTD_e_flush }),
  ),
]

/** The coding that a header names; `identity` for none, `null` for one that is not known or a chain of several. */
export function contentCoding(header: string | null): ContentCoding | 'identity' | null {
  const name = header?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return 'identity'
  return CODINGS.find((known) => known.name === (name === 'x-gzip' ? 'gzip' : name)) ?? null
}
