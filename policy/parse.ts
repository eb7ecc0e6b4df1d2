import { type PolicyDocument, policyDocument } from '@agentcostcontrol/contract'
import type { z } from 'zod'
import { describeIssue, describeUnknownKey } from './describe.ts'
import { placeOf, showPath } from './locate.ts'
import type { PolicyFile, PolicyProblem } from './types.ts'
import { PROBLEMS_MAX, readYaml, type YamlDocument } from './yaml.ts'

/** A valid document and where it begins. */
export interface ParsedDocument {
  readonly document: PolicyDocument
  /** What was read, as its author wrote it: defaults are not filled in, and money is text. */
  readonly written: unknown
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** Where what stands at a path of it begins, 1-based. */
  lineOf(path: readonly PropertyKey[]): number
}

/** The valid documents of a folder, and every problem with the others. */
export interface ParsedPolicy {
  readonly documents: readonly ParsedDocument[]
  readonly problems: readonly PolicyProblem[]
}

/** Reads and validates the files of a policy folder, each document by itself. Never throws for what they say. */
export function parsePolicyFiles(files: readonly PolicyFile[]): ParsedPolicy {
  const documents: ParsedDocument[] = []
  const problems: PolicyProblem[] = []
  for (const file of files) {
    const yaml = readYaml(file)
    const found = [...yaml.problems]
    for (const read of yaml.documents) {
      const written: unknown = read.document.toJS({ maxAliasCount: 0 })
      const result = policyDocument.safeParse(written, { error: describeIssue })
      if (result.success) documents.push(parsed(result.data, written, read))
      else if (found.length < PROBLEMS_MAX) found.push(...explain(read, result.error.issues))
    }
    problems.push(...found.slice(0, PROBLEMS_MAX))
  }
  return { documents, problems }
}

function parsed(document: PolicyDocument, written: unknown, read: YamlDocument): ParsedDocument {
  const { line } = placeOf(read, [])
  // The tree of a document is many times its size: only what is judged beyond its schema has need of it.
  const lineOf =
    document.kind === 'PolicyTest' || document.kind === 'CustomRule'
      ? (path: readonly PropertyKey[]) => placeOf(read, path).line
      : () => line
  return { document, written, file: read.file, line, lineOf }
}

function explain(read: YamlDocument, issues: readonly z.core.$ZodIssue[]): readonly PolicyProblem[] {
  return issues.flatMap((issue) => toProblems(read, issue)).sort((a, b) => a.line - b.line)
}

function toProblems(read: YamlDocument, issue: z.core.$ZodIssue): readonly PolicyProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const kind = read.document.get('kind')
    return issue.keys.slice(0, PROBLEMS_MAX).map((key) => {
      const path = [...issue.path, key]
      const { line } = placeOf(read, path)
      return { file: read.file, line, path: showPath(path), message: describeUnknownKey(key, kind, issue.path) }
    })
  }
  const { line, exists } = placeOf(read, issue.path)
  const missing = !exists && issue.code !== 'custom'
  const message = missing ? `the key \`${String(issue.path.at(-1))}\` is missing: ${issue.message}` : issue.message
  return [{ file: read.file, line, path: showPath(issue.path), message }]
}
