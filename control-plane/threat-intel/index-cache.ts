/** Indexes that sidecars are fetching: a fleet that is told of one asks for it all at once, and the database is asked once. */
export interface IndexCache {
  /** The pieces of an index, from memory or by `load`; one that is larger than the cache is loaded for each. */
  pieces(key: string, bytes: number, load: () => AsyncIterable<Buffer>): AsyncIterable<Buffer>
  /** Bytes of what is kept or being loaded. */
  readonly bytes: number
}

/** Makes it. @param bytesMax of all that it keeps; the one that was asked for longest ago goes first */
export function createIndexCache(bytesMax: number): IndexCache {
  const kept = new Map<string, { readonly bytes: number; readonly pieces: Promise<readonly Buffer[]> }>()
  const sum = (): number => [...kept.values()].reduce((total, { bytes }) => total + bytes, 0)

  async function* fromMemory(pieces: Promise<readonly Buffer[]>): AsyncGenerator<Buffer> {
    yield* await pieces
  }

  function loaded(key: string, bytes: number, load: () => AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
    const pieces = all(load())
    kept.set(key, { bytes, pieces })
    // What could not be read is read again by the next who asks.
    pieces.catch(() => kept.delete(key))
    for (const oldest of kept.keys()) {
      if (sum() <= bytesMax) break
      kept.delete(oldest)
    }
    return pieces
  }

  return {
    pieces: (key, bytes, load) => {
      if (bytes > bytesMax) return load()
      const found = kept.get(key)
      if (found === undefined) return fromMemory(loaded(key, bytes, load))
      kept.delete(key)
      kept.set(key, found)
      return fromMemory(found.pieces)
    },
    get bytes() {
      return sum()
    },
  }
}

async function all(load: AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of load) pieces.push(piece)
  return pieces
}
