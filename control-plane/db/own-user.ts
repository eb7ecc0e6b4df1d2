import { execFileSync, spawnSync } from 'node:child_process'
import { chownSync } from 'node:fs'

/** How PostgreSQL's programs are run: it refuses to run as root, and must not outlive the process that started it. */
export interface OwnUser {
  /** The words of a command line that runs a program so. `dies`: it ends in order when this process dies. */
  command(program: string, words: readonly string[], options?: { readonly dies: boolean }): readonly string[]
  /** Gives a file or a folder to the user who runs the programs. */
  own(path: string): void
}

/** `nobody` of Debian and its like. */
const NOBODY = 65_534

/**
 * Looks how programs can be run here. For root: as nobody; where that user cannot enter the folders (a checkout or a
 * data folder below one of mode 700), with the one capability that lets it.
 * @param folders what the user must be able to enter
 * @throws with what can be done if it cannot
 */
export function findOwnUser(folders: readonly string[]): OwnUser {
  const root = process.getuid?.() === 0
  const setpriv = spawnSync('setpriv', ['--version']).status === 0
  if (!root)
    return { command: (program, words, options) => [...dying(setpriv, options), program, ...words], own: () => {} }
  if (!setpriv)
    throw new Error(
      'the embedded PostgreSQL refuses to run as root, and setpriv (util-linux), which would give it another user, is not here: run as another user, or set DATABASE_URL',
    )
  const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all']
  const able = [...as.slice(0, -1), '--inh-caps=-all,+dac_override', '--ambient-caps=+dac_override']
  const prefix = [as, able].find((words) => canEnter(words, folders))
  if (prefix === undefined)
    throw new Error(
      `the embedded PostgreSQL cannot run as root, and the user it would run as cannot enter ${folders.join(' or ')}: open the folders above to others (chmod o+x), or set DATABASE_URL`,
    )
  return {
    command: (program, words, options) => [...prefix, ...(options?.dies ? ['--pdeathsig=INT'] : []), program, ...words],
    own: (path) => chownSync(path, NOBODY, NOBODY),
  }
}

const dying = (setpriv: boolean, options: { readonly dies: boolean } | undefined): readonly string[] =>
  setpriv && options?.dies ? ['setpriv', '--pdeathsig=INT'] : []

function canEnter([program = '', ...words]: readonly string[], folders: readonly string[]): boolean {
  try {
    for (const folder of folders) execFileSync(program, [...words, 'ls', '-d', `${folder}/.`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
