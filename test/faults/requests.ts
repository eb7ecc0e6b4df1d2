import { edit, type Fault } from './fault.ts'

/** Faults of reading requests of any format. */
export const REQUESTS: readonly Fault[] = [
  {
    name: 'a key that stands twice passes',
    edits: edit('sidecar/identify.ts', 'if (repeated !== null) return ambiguous(repeated)', ''),
    test: 'test/integration/bad-input.test.ts',
    only: ['stands twice'],
  },
  {
    name: 'a key that stands twice passes where space is behind it',
    edits: edit('sidecar/providers/repeated-keys.ts', 'skipSpaceBack(text, at - 1)', 'at - 1'),
    test: 'sidecar/test/repeated-keys.test.ts',
    only: ['is found'],
  },
]
