import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a test offers to clean up after it: tap's `t`. Last in, first out. */
export interface Scope {
  teardown(work: () => void | Promise<void>): void
}

/** A temporary folder that goes with the scope. */
export function folderFor(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'acc-test-'))
  scope.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
