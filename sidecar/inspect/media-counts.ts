import type { Media } from '../providers/document.ts'

/** Counts files that nobody judged, by wire format and kind. */
export class MediaCounts {
  readonly #byFormat = new Map<string, Map<Media, number>>()

  /** Counts one. */
  add(format: string, media: Media): void {
    let counts = this.#byFormat.get(format)
    if (!counts) {
      counts = new Map()
      this.#byFormat.set(format, counts)
    }
    counts.set(media, (counts.get(media) ?? 0) + 1)
  }

  /** For the metrics. */
  counts(): readonly { readonly format: string; readonly media: Media; readonly count: number }[] {
    return [...this.#byFormat].flatMap(([format, counts]) =>
      [...counts].map(([media, count]) => ({ format, media, count })),
    )
  }
}
