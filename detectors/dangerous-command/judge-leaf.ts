import type { Severity } from '@agentcostcontrol/contract'
import { judgeCode } from './code.ts'
import type { Hit, JudgeNested, Language } from './hit.ts'
import type { LeafKind } from './leaf-kind.ts'
import { credentialOf, METADATA_HOST } from './paths.ts'
import { judgePowerShell } from './powershell.ts'
import { judgeShell } from './shell/judge.ts'
import { injectionIn, judgeSql, looksLikeSql } from './sql.ts'

/** Programs in programs in programs. */
const NESTING_MAX = 5
/** All texts within texts of one call, together. */
const NESTED_CHARS_MAX = 1 << 20
/** Of a text that nothing says is a command, no more is read as one. */
const UNKNOWN_CHARS_MAX = 16_384
const POWERSHELL =
  /invoke-|new-object|set-mp|add-mp|remove-item|\biex\b|-enc|frombase64string|\$env:|clear-|register-sch|scheduledtask|netfirewall|format-volume|localgroup|amsi|shadowcopy|mimikatz|comsvcs|net\.sockets|currentversion/i

/** Makes a judge with a budget of its own for what it finds nested. */
export function createJudge(): (text: string, kind: LeafKind) => readonly Hit[] {
  let left = NESTED_CHARS_MAX
  const nestedAt =
    (depth: number): JudgeNested =>
    (text, language) => {
      left -= text.length
      return depth >= NESTING_MAX || left < 0 ? [] : inLanguage(text, language, nestedAt(depth + 1))
    }
  return (text, kind) => judgeKind(text, kind, nestedAt(0))
}

function inLanguage(text: string, language: Language, nested: JudgeNested): readonly Hit[] {
  if (language === 'code') return judgeCode(text, nested)
  if (language === 'sql') return judgeSql(text)
  if (language === 'powershell')
    return [
      ...judgePowerShell(text, nested),
      ...(/\b(?:rm|rd|del|reg|net|sc|schtasks|vssadmin)\s/i.test(text) ? judgeShell(text, nested) : []),
    ]
  return [...judgeShell(text, nested), ...(POWERSHELL.test(text) ? judgePowerShell(text, nested) : [])]
}

function judgeKind(text: string, kind: LeafKind, nested: JudgeNested): readonly Hit[] {
  if (kind === 'prose') return []
  if (kind === 'command')
    return [
      ...inLanguage(text, 'shell', nested),
      ...(/\b(?:import|require)\b/.test(text) ? judgeCode(text, nested) : []),
      ...(looksLikeSql(text) ? judgeSql(text) : []),
    ]
  if (kind === 'code')
    return [
      ...judgeCode(text, nested),
      ...notebookShell(text, nested),
      ...(looksLikeSql(text) ? judgeSql(text) : []),
      ...(POWERSHELL.test(text) ? judgePowerShell(text, nested) : []),
    ]
  if (kind === 'sql') return judgeSql(text)
  if (kind === 'path') return wholePath(text)
  if (kind === 'url') return metadataIn(text)
  if (kind === 'content') return []
  if (kind === 'query') return looksLikeSql(text) ? judgeSql(text) : injected(text)
  if (looksLikeSql(text)) return capped(judgeSql(text), 'medium')
  return [
    ...capped(inLanguage(text.slice(0, UNKNOWN_CHARS_MAX), 'shell', nested), 'medium'),
    ...injected(text),
    ...(/\s/.test(text) ? [] : wholePath(text)),
    ...(/^https?:/.test(text) ? metadataIn(text) : []),
  ]
}

/** The same hits, none worse than this. */
export const capped = (hits: readonly Hit[], severityMax: Severity): readonly Hit[] =>
  hits.map((hit) => ({ ...hit, severityMax }))

function injected(text: string): readonly Hit[] {
  const hit = injectionIn(text)
  return hit ? [hit] : []
}

function wholePath(text: string): readonly Hit[] {
  if (text.length > 1_024 || text.includes('\n')) return []
  const rule = credentialOf(text.trim()) ?? credentialOf(text.slice(text.lastIndexOf('../') + 2))
  return rule ? [{ rule, start: 0, end: text.length }] : metadataIn(text)
}

function metadataIn(text: string): readonly Hit[] {
  const match = text.length < 4_096 ? METADATA_HOST.exec(text) : null
  return match ? [{ rule: 'cloud-metadata', start: match.index, end: match.index + match[0].length }] : []
}

/** Lines of a notebook that begin with "!" or "%%bash" go to a shell. */
function notebookShell(text: string, nested: JudgeNested): readonly Hit[] {
  if (!/^\s*[!%]/m.test(text)) return []
  const hits: Hit[] = []
  let at = 0
  for (const line of text.split('\n')) {
    const shell = /^\s{0,40}[!%]{1,2}(?:bash|sh|system|sx)?(.*)$/.exec(line)
    if (shell)
      for (const hit of nested(shell[1] ?? '', 'shell')) hits.push({ ...hit, start: at, end: at + line.length })
    at += line.length + 1
  }
  return hits
}
