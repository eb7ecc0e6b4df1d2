import { ShellReader } from './reader.ts'
import type { Script } from './syntax.ts'

/** Parses what a POSIX-like shell would run, in time linear in its length. Faults end in a best guess, never in an error. */
export function parseShell(text: string): Script {
  return new ShellReader(text).script()
}
