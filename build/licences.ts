import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/
const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.|$)/i
/** Licences that demand no text. */
const FREE: ReadonlySet<unknown> = new Set(['Unlicense', 'CC0-1.0', '0BSD'])
const RULE = `\n${'='.repeat(80)}\n`

/**
 * The licences of the packages whose code is in the bundle, in full, as those licences demand.
 * @param what contains them, at the beginning of a sentence
 * @param root folder that the paths are relative to
 * @param inputs source files of the bundle
 * @throws for a package without a licence file: it must not be shipped
 */
export function thirdPartyLicences(what: string, root: string, inputs: readonly string[]): string {
  const folders = new Set(inputs.flatMap((input) => PACKAGE.exec(input) ?? []))
  const texts = [...folders].map((folder) => RULE + licenceOf(join(root, folder)))
  return `${what} contains code of the following packages.\n${texts.sort().join('')}`
}

function licenceOf(folder: string): string {
  const about: Readonly<Record<string, unknown>> = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file))
  if (files.length === 0 && !FREE.has(about.license))
    throw new Error(`${folder} has no licence file, so its code cannot be shipped`)
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return `${String(about.name)} ${String(about.version)} (${String(about.license)})\n\n${texts.join('\n\n')}\n`
}
