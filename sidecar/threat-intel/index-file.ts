import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ThreatIndex } from '@agentcostcontrol/detectors'
import type { Intel } from '../inspect/environment.ts'

/** An index of the control plane: named by the SHA-256 of its bytes. */
export interface NamedIndex extends Intel {
  readonly entries: number
  /** When it was built, ms since the epoch by the clock of the control plane's database. */
  readonly builtAtMs: number
}

/** Bytes that are not the index that they should be, or none that this sidecar can read. */
export class IndexRefused extends Error {
  override readonly name = 'IndexRefused'
  /** Whether the bytes are the right ones: they would be the same the next time. */
  readonly isWhole: boolean
  constructor(message: string, isWhole = false) {
    super(message)
    this.isWhole = isWhole
  }
}

/** The file is these and then the index: SHA-256 of the index, and when it was built as a double. */
const HASH_BYTES = 32
const HEADER_BYTES = HASH_BYTES + 8
const PIECE_BYTES = 256 * 1024

/** An index that arrives in pieces; no piece of work is longer than a piece. */
export class ArrivingIndex {
  readonly #hash = createHash('sha256')
  readonly #index: SharedArrayBuffer
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: number) {
    this.#index = new SharedArrayBuffer(bytes)
    this.#bytes = new Uint8Array(this.#index)
  }

  /** @throws IndexRefused where there are more than there should be */
  add(piece: Uint8Array): void {
    if (this.#at + piece.length > this.#bytes.length)
      throw new IndexRefused(`it has more than the ${this.#bytes.length} bytes that were told`)
    this.#hash.update(piece)
    this.#bytes.set(piece, this.#at)
    this.#at += piece.length
  }

  /** @throws IndexRefused unless it is the one of this name, whole, and of a format that is known */
  whole(version: string, builtAtMs: number): NamedIndex {
    if (this.#at !== this.#bytes.length)
      throw new IndexRefused(`it ends after ${this.#at} of ${this.#bytes.length} bytes`)
    const hash = this.#hash.digest('hex')
    if (hash !== version) throw new IndexRefused(`its SHA-256 is ${hash} and not ${version}: it was changed on its way`)
    try {
      const { entries } = new ThreatIndex(this.#index)
      return { version, index: this.#index, entries, builtAtMs }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new IndexRefused(`${reason}: bring this sidecar to the version of its control plane`, true)
    }
  }
}

/** Reads the index that was kept; `null` where there is none. @throws IndexRefused where it is not whole */
export async function readIndexFile(path: string): Promise<NamedIndex | null> {
  const file = await open(path).catch(() => null)
  if (file === null) return null
  try {
    const { size } = await file.stat()
    if (size < HEADER_BYTES) throw new IndexRefused(`it has ${size} bytes and no header`)
    const header = Buffer.alloc(HEADER_BYTES)
    await file.read(header, 0, HEADER_BYTES, 0)
    const arriving = new ArrivingIndex(size - HEADER_BYTES)
    for await (const piece of piecesOf(file, HEADER_BYTES)) arriving.add(piece)
    return arriving.whole(header.toString('hex', 0, HASH_BYTES), header.readDoubleLE(HASH_BYTES))
  } finally {
    await file.close()
  }
}

async function* piecesOf(file: FileHandle, from: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(PIECE_BYTES)
  for (let at = from; ; ) {
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield piece.subarray(0, bytesRead)
  }
}

/** Keeps an index for the next start, whole or not at all; `null` for none. @throws what the file system says */
export async function writeIndexFile(path: string, intel: NamedIndex | null): Promise<void> {
  if (intel === null) {
    await rm(path, { force: true })
    return
  }
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(intel.version, 'hex')
  header.writeDoubleLE(intel.builtAtMs, HASH_BYTES)
  await mkdir(dirname(path), { recursive: true })
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(header)
    const bytes = new Uint8Array(intel.index)
    for (let at = 0; at < bytes.length; at += PIECE_BYTES)
      await file.writeFile(Buffer.from(bytes.subarray(at, at + PIECE_BYTES)))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
