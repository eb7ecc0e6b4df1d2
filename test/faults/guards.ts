import { edit, type Fault } from './fault.ts'

/** Guards that silently do nothing, and work that is done again and again. */
export const GUARDS: readonly Fault[] = [
  {
    name: '`stream: true` skips the inspection of answers',
    edits: edit(
      'sidecar/answer/stream-filter.ts',
      'inspection && inspection.set.detectors.length > 0',
      'inspection && inspection.set.detectors.length > 99',
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a security policy for answers', 'in a stream'],
  },
  {
    name: 'plain answers are not inspected',
    edits: edit(
      'sidecar/answer/plain.ts',
      'const judging = inspection === null ?',
      'const judging = inspection !== undefined ?',
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a security policy for answers', 'in a plain answer'],
  },
  {
    name: 'a conversation that grows is scanned from its beginning at every turn',
    edits: edit('sidecar/inspect/verdict-cache.ts', 'this.#findSlot(key) === -1 ?', 'this.#findSlot(key) >= -1 ?'),
    test: 'test/integration/inspection.test.ts',
    only: ['scanned once'],
  },
]
