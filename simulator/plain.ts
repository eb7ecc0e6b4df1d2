import type { ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, deflate, gzip, zstdCompress } from 'node:zlib'
import type { Controls } from './controls.ts'

const COMPRESS = {
  gzip: promisify<Buffer, Buffer>(gzip),
  deflate: promisify<Buffer, Buffer>(deflate),
  br: promisify<Buffer, Buffer>(brotliCompress),
  zstd: promisify<Buffer, Buffer>(zstdCompress),
}

/** What an answer holds in place of its usage. */
export type UsageFault = 'no-usage' | 'malformed-usage'

/** Sends a plain answer the way the controls ask for. @param withFault the answer with its usage spoilt */
export async function sendPlain(
  response: ServerResponse,
  json: string,
  controls: Controls,
  withFault: (fault: UsageFault) => string,
): Promise<void> {
  const { fault, encoding } = controls
  if (fault === 'html') {
    response.setHeader('content-type', 'text/html')
    response.end('<html><body>something in between answers in its place</body></html>')
    return
  }
  const spoilt = fault === 'no-usage' || fault === 'malformed-usage' ? withFault(fault) : json
  const bytes = Buffer.from(fault === 'truncated-json' ? spoilt.slice(0, -10) : spoilt)
  const encoded = encoding === null ? bytes : await COMPRESS[encoding](bytes)
  response.setHeader('content-type', 'application/json')
  if (encoding !== null) response.setHeader('content-encoding', encoding)
  response.setHeader('content-length', encoded.length)
  response.writeHead(200)
  if (fault !== 'cut-mid-body' && fault !== 'stall-mid-body') {
    response.end(encoded)
    return
  }
  response.write(encoded.subarray(0, Math.floor(encoded.length / 2)))
  if (fault === 'cut-mid-body') setImmediate(() => response.socket?.destroySoon())
}
