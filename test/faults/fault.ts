/** A change of the sources that puts a fault in. */
export interface Edit {
  readonly file: string
  /** Stands in the file exactly once. */
  readonly search: string
  readonly replace: string
}

/** A fault that others shipped or that we must not, and the test that has to fail when it is put in. */
export interface Fault {
  readonly name: string
  readonly edits: readonly Edit[]
  readonly test: string
  /** Patterns of the test's name and, where it is one of many, of its part: regular expressions. */
  readonly only: readonly string[]
}

/** One change of one file. */
export const edit = (file: string, search: string, replace: string): readonly Edit[] => [{ file, search, replace }]
