/** Packages that a text says to install, or that a tool's call puts on a list of dependencies. */
import type { Finding } from '@agentcostcontrol/contract'
import { canonicalPackage } from './canonical.ts'
import { KIND } from './hash.ts'
import { META } from './index-format.ts'
import type { ThreatIndex } from './index-reader.ts'
import type { Ecosystem } from './indicator.ts'
import { type Command, MARKS, readCommand } from './install-command.ts'
import { report } from './report.ts'
import { isWithin } from './versions.ts'

/** Puts packages that are installed by commands among the findings. */
export function findInstalls(index: ThreatIndex, text: string, findings: Finding[]): void {
  for (const mark of MARKS) {
    let next = 0
    for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, next)) {
      const command = readCommand(text, at)
      next = Math.max(at + mark.length, command?.end ?? 0)
      if (command !== null) findings.push(...judge(index, command))
    }
  }
}

const judge = (index: ThreatIndex, { ecosystem, specs }: Command): readonly Finding[] =>
  specs.flatMap(({ name, version, start, end }) => {
    const meta = lookAtPackage(index, ecosystem, name, version)
    return meta === 0 ? [] : [report('package', meta, start, end)]
  })

/** What lists a version of a package; of one without a version, what lists all of them. */
function lookAtPackage(index: ThreatIndex, ecosystem: Ecosystem, name: string, version: string | null): number {
  const key = `${ecosystem}:${canonicalPackage(ecosystem, name)}`
  const meta = index.look(key, KIND.package)
  if (meta === 0 || (meta & META.whole) !== 0 || version === null) return (meta & META.whole) === 0 ? 0 : meta
  const release = index.look(`${key}@${version}`, KIND.release)
  if (release !== 0) return release
  return index.rangesOf(meta).some((range) => isWithin(version, range)) ? meta : 0
}

const DEPENDENCIES = /\\?"(?:(?:dev|peer|optional)D|d)ependencies\\?"\s{0,8}:\s{0,8}\{/g
const ENTRY =
  /(?:\s|\\[nrt]){0,64}\\?"((?:@[\w.~-]{1,100}\/)?[\w.~-]{1,214})\\?"(?:\s|\\[nrt]){0,8}:(?:\s|\\[nrt]){0,8}\\?"([^"\\]{0,200})\\?"(?:\s|\\[nrt]){0,64},?/y
const PINNED = /(?<![\w.-])([A-Za-z0-9][\w.-]{0,100})(?:\[[\w,-]{0,100}\])?==([\w.!+-]{1,64})/g

/** Puts packages of a `package.json` or of pinned requirements among the findings. */
export function findDependencies(index: ThreatIndex, text: string, findings: Finding[]): void {
  if (text.includes('ependencies')) {
    for (const { 0: opening, index: at } of text.matchAll(DEPENDENCIES)) {
      ENTRY.lastIndex = at + opening.length
      for (let entry = ENTRY.exec(text); entry !== null; entry = ENTRY.exec(text)) {
        const [whole, name = '', range = ''] = entry
        const meta = lookAtPackage(index, 'npm', name, versionOf(range))
        const start = ENTRY.lastIndex - whole.length + whole.indexOf(name)
        if (meta !== 0) findings.push(report('package', meta, start, start + name.length))
      }
    }
  }
  if (!text.includes('==')) return
  for (const { 0: whole, 1: written = '', 2: version = '', index: at } of text.matchAll(PINNED)) {
    // JSON within JSON: the letter of an escape is none of the name.
    const escaped = text[at - 1] === '\\' && /^[nrt]/.test(written) ? 1 : 0
    const meta = lookAtPackage(index, 'pypi', written.slice(escaped), version)
    if (meta !== 0) findings.push(report('package', meta, at + escaped, at + whole.length))
  }
}

/** The version that a range names; `null` for one that names none, or several. */
const versionOf = (range: string): string | null => /^[\^~=v]{0,2}(\d[\w.+-]{0,63})$/.exec(range.trim())?.[1] ?? null
