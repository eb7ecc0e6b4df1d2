import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ATTACKS, HONEST, spin } from './phrases.ts'
import type { Row } from './rows.ts'

const READABLE = /\.(?:[cm]?[jt]s|json|md|ya?ml|txt|css|sh|sql)$|LICENSE$/
const FILE_CHARS_MAX = 12_000

/** Honest texts from folders: every file that can be read, thinned evenly, each cut to its first characters. */
export function honestFiles(folders: readonly string[], filesMax: number): readonly Row[] {
  return folders.flatMap((folder) => {
    const files = readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && READABLE.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => statSync(path).size < 400_000)
      .toSorted()
    const prose = files.filter((path) => path.endsWith('.md'))
    return [...thinned(prose, filesMax / 2), ...thinned(files, filesMax / 2)].map((path) => ({
      set: `files:${folder.split('/').at(-1) ?? ''}`,
      label: 0,
      role: 'tool',
      text: readFileSync(path, 'utf8').slice(0, FILE_CHARS_MAX),
    }))
  })
}

const thinned = (files: readonly string[], max: number): readonly string[] => {
  const every = Math.max(1, Math.floor(files.length / max))
  return files.filter((_, index) => index % every === 0)
}

/** Sentences of our own, attacks and honest ones, some of the attacks inside an honest text. */
export function ownPhrases(each: number, around: readonly string[], random: () => number): readonly Row[] {
  const rows: Row[] = []
  for (const [kind, pattern] of ATTACKS) {
    for (let count = 0; count < each; count++) {
      const attack = spin(pattern, random)
      const inside = random() < 0.5
      rows.push({ set: `own:${kind}`, label: 1, role: 'tool', text: inside ? embed(attack, around, random) : attack })
    }
  }
  for (const pattern of HONEST) {
    for (let count = 0; count < each; count++) {
      rows.push({ set: 'own:honest', label: 0, role: 'user', text: spin(pattern, random) })
    }
  }
  return rows
}

function embed(attack: string, around: readonly string[], random: () => number): string {
  const slice = (): string => {
    const text = around[Math.floor(random() * around.length)] ?? ''
    const from = Math.floor(random() * Math.max(1, text.length - 200))
    return text.slice(from, from + 200)
  }
  return `${slice()}\n${attack}\n${slice()}`
}
