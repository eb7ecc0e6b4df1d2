import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, LABEL } from './config-error.ts'

const ENTRY = /^agentcostcontrol\.io\/(agent|workflow|session)="(.*)"$/

/**
 * Reads `agentcostcontrol.io/agent`, `/workflow` and `/session` from the files `labels` and `annotations` that the
 * downward API writes (`key="value"` a line, the value quoted as a Go string); annotations win.
 * @throws ConfigError if there is neither file, or a value that is no name: an identity must not be lost without a word
 */
export function readPodInfo(folder: string): Readonly<Record<string, string>> {
  const labels = readEntries(join(folder, 'labels'))
  const annotations = readEntries(join(folder, 'annotations'))
  if (labels === null && annotations === null)
    throw new ConfigError(
      `ACC_PODINFO_DIR: ${folder} holds neither labels nor annotations: mount a downwardAPI volume there`,
    )
  return { ...labels, ...annotations }
}

function readEntries(file: string): Readonly<Record<string, string>> | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`ACC_PODINFO_DIR: ${file} cannot be read: ${reason}`, { cause })
  }
  const found: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, key, quoted = ''] = ENTRY.exec(line) ?? []
    if (key !== undefined) found[key] = readName(file, key, quoted)
  }
  return found
}

function readName(file: string, key: string, quoted: string): string {
  try {
    const value: unknown = JSON.parse(`"${quoted}"`)
    if (typeof value === 'string' && LABEL.test(value)) return value
  } catch {
    // Escapes that Go has and JSON does not stand for control characters.
  }
  throw new ConfigError(
    `ACC_PODINFO_DIR: ${file}: agentcostcontrol.io/${key} is expected to have 1 to 253 characters without control characters`,
  )
}
