import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PHRASES, spin } from './phrases.ts'
import type { Row } from './rows.ts'
import { isTranslated, readTranslated } from './translated.ts'

const READABLE = /\.(?:[cm]?[jt]s|json|md|ya?ml|txt|css|sh|sql|py)$|LICENSE$/
const FILE_CHARS_MAX = 12_000
const FILE_BYTES_MAX = 1_000_000

/** The part of the files that may be translated ones, and the most texts of one of them. */
const TRANSLATED_SHARE = 0.25
const TRANSLATED_PARTS = 6

/**
 * Honest texts from folders: of prose, of what is translated, and of all that can be read, thinned evenly, each cut to its
 * first characters; translated messages to more of them, since they are so few.
 */
export function honestFiles(folders: readonly string[], filesMax: number): readonly Row[] {
  return folders.flatMap((folder) => {
    const name = folder.split('/').at(-1) ?? ''
    const row = (set: string, text: string): Row => ({ set: `${set}:${name}`, label: 0, role: 'tool', text })
    const all = readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => statSync(path).size < FILE_BYTES_MAX)
      .toSorted()
    const files = all.filter((path) => READABLE.test(path))
    const prose = files.filter((path) => path.endsWith('.md'))
    const translated = all.filter((path) => isTranslated(path.slice(folder.length)))
    return [
      ...[...thinned(prose, filesMax / 2), ...thinned(files, filesMax / 2)].map((path) =>
        row('files', readFileSync(path, 'utf8').slice(0, FILE_CHARS_MAX)),
      ),
      ...thinned(translated, filesMax * TRANSLATED_SHARE).flatMap((path) =>
        parts(readTranslated(path)).map((part) => row('translated', part)),
      ),
    ]
  })
}

function parts(text: string): readonly string[] {
  const count = Math.min(TRANSLATED_PARTS, Math.ceil(text.length / FILE_CHARS_MAX))
  return Array.from({ length: count }, (_, at) => text.slice(at * FILE_CHARS_MAX, (at + 1) * FILE_CHARS_MAX))
}

const thinned = (files: readonly string[], max: number): readonly string[] => {
  const every = Math.max(1, Math.floor(files.length / max))
  return files.filter((_, index) => index % every === 0)
}

/** Texts of our own, so many of each pattern; half of the attacks stand inside an honest text. */
export function ownPhrases(each: number, around: readonly string[], random: () => number): readonly Row[] {
  return PHRASES.flatMap(({ set, label, patterns }) =>
    patterns.flatMap((pattern) =>
      Array.from({ length: each }, () => {
        const text = spin(pattern, random)
        const inside = label === 1 && random() < 0.5
        return { set, label, role: 'tool', text: inside ? embed(text, around, random) : text }
      }),
    ),
  )
}

function embed(attack: string, around: readonly string[], random: () => number): string {
  const slice = (): string => {
    const text = around[Math.floor(random() * around.length)] ?? ''
    const from = Math.floor(random() * Math.max(1, text.length - 200))
    return text.slice(from, from + 200)
  }
  return `${slice()}\n${attack}\n${slice()}`
}
