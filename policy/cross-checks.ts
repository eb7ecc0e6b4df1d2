import { customRuleMistakes } from '@agentcostcontrol/detectors/custom'
import { showPath } from './locate.ts'
import { describeSelector } from './match-security.ts'
import type { ParsedDocument } from './parse.ts'
import type { PolicyProblem } from './types.ts'

/** What no schema shows: rules of one's own that cannot be run, and two documents that claim the same name, the same provider, or the same agents. */
export function crossCheck(documents: readonly ParsedDocument[]): readonly PolicyProblem[] {
  return [
    ...repeated(documents, nameOf, 'metadata.name', (claim) => `${claim} is defined twice`),
    ...repeated(documents, providerOf, 'spec.provider', (claim) => `two ProviderConfigs configure ${claim}`),
    ...documents.flatMap(unrunnable),
    ...repeated(documents, selectorOf, 'spec.selector', (claim) => `two SecurityPolicies hold for ${claim}`),
  ]
}

function unrunnable({ document, file, lineOf }: ParsedDocument): readonly PolicyProblem[] {
  if (document.kind !== 'CustomRule') return []
  return customRuleMistakes(document).map(({ path, message }) => ({
    file,
    line: lineOf(path),
    path: showPath(path),
    message,
  }))
}

const nameOf = ({ document }: ParsedDocument): string => `${document.kind} "${document.metadata.name}"`
const providerOf = ({ document }: ParsedDocument): string | null =>
  document.kind === 'ProviderConfig' ? document.spec.provider : null
const selectorOf = ({ document }: ParsedDocument): string | null => {
  if (document.kind !== 'SecurityPolicy') return null
  return describeSelector(document.spec.selector)
}

function repeated(
  documents: readonly ParsedDocument[],
  claimOf: (document: ParsedDocument) => string | null,
  path: string,
  say: (claim: string) => string,
): readonly PolicyProblem[] {
  const first = new Map<string, ParsedDocument>()
  const problems: PolicyProblem[] = []
  for (const document of documents) {
    const claim = claimOf(document)
    if (claim === null) continue
    const earlier = first.get(claim)
    if (!earlier) first.set(claim, document)
    else {
      const { file, line } = document
      const message = `${say(claim)}: here and at ${earlier.file}:${earlier.line}; keep one of them`
      problems.push({ file, line, path, message })
    }
  }
  return problems
}
