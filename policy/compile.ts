import { createHash } from 'node:crypto'
import {
  POLICY_API_VERSION,
  PROVIDER_NAMES,
  type ProviderConfigDocument,
  type ProviderName,
  providerConfigDocument,
  providerFacts,
} from '@agentcostcontrol/contract'
import { compileBudget } from './compile-budget.ts'
import { crossCheck } from './cross-checks.ts'
import { createBudgetMatch } from './match-budgets.ts'
import { createSecurityMatch } from './match-security.ts'
import { type ParsedDocument, parsePolicyFiles } from './parse.ts'
import { runPolicyTests } from './policy-test.ts'
import type {
  BudgetSource,
  CheckedPolicy,
  CompiledPolicy,
  CompiledProvider,
  EnforcedDocument,
  PolicyCheck,
  PolicyFile,
  PolicyResult,
  StatedModel,
} from './types.ts'

type StatedModelDocument = ProviderConfigDocument['spec']['models'][string]

/**
 * Compiles a folder of policy. All or nothing: one problem anywhere and no policy comes out, so that the caller keeps
 * the last good one. No files is a policy too, one without budgets. Never throws for what the files say.
 */
export function compilePolicy(files: readonly PolicyFile[]): PolicyResult {
  const checked = checkPolicy(files)
  return checked.ok ? { ok: true, policy: assemblePolicy(checked) } : checked
}

/**
 * The long half of {@link compilePolicy}: reads and judges the files. Its result is plain data, so that it can come out
 * of a worker; {@link assemblePolicy} makes the policy of it.
 */
export function checkPolicy(files: readonly PolicyFile[]): PolicyCheck {
  const sorted = inOrder(files)
  const { documents, problems } = parsePolicyFiles(sorted)
  const all = [...problems, ...crossCheck(documents)]
  if (all.length > 0) return { ok: false, problems: all }
  const revision = revisionOf(sorted)
  const checked = { revision, documents: documents.flatMap(enforced), budgets: documents.flatMap(budgetSource) }
  const { passed, problems: failed } = runPolicyTests(assemblePolicy(checked), documents)
  return failed.length > 0 ? { ok: false, problems: failed } : { ok: true, ...checked, tests: passed }
}

const enforced = ({ document }: ParsedDocument): readonly EnforcedDocument[] =>
  document.kind === 'PolicyTest' ? [] : [document]

const budgetSource = ({ document, written, file, line }: ParsedDocument): readonly BudgetSource[] =>
  document.kind === 'Budget' && isRecord(written)
    ? [{ name: document.metadata.name, file, line, document: written }]
    : []

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** The short half of {@link compilePolicy}. */
export const assemblePolicy = ({
  revision,
  documents,
}: Pick<CheckedPolicy, 'revision' | 'documents'>): CompiledPolicy => compileDocuments(revision, documents)

/** The revision that these files have, valid or not. */
export const policyRevision = (files: readonly PolicyFile[]): string => revisionOf(inOrder(files))

const inOrder = (files: readonly PolicyFile[]): readonly PolicyFile[] =>
  [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))

/** SHA-256 over the paths and texts, each with its length before it, so that no two folders look alike. */
function revisionOf(sorted: readonly PolicyFile[]): string {
  const hash = createHash('sha256')
  for (const { path, text } of sorted)
    for (const part of [path, text]) hash.update(`${Buffer.byteLength(part)}:`).update(part)
  return hash.digest('hex')
}

function compileDocuments(revision: string, unordered: readonly EnforcedDocument[]): CompiledPolicy {
  const documents = unordered.toSorted(compareNames)
  const budgets = documents.filter((document) => document.kind === 'Budget').map(compileBudget)
  const securities = documents.filter((document) => document.kind === 'SecurityPolicy')
  const providers = new Map(PROVIDER_NAMES.map((provider) => [provider, defaultProvider(provider)]))
  for (const document of documents)
    if (document.kind === 'ProviderConfig') providers.set(document.spec.provider, compileProvider(document))
  return Object.freeze({
    revision,
    budgets: Object.freeze(budgets.map((rule) => rule.budget)),
    budgetsFor: createBudgetMatch(budgets),
    securityFor: createSecurityMatch(securities),
    customRules: Object.freeze(documents.filter((document) => document.kind === 'CustomRule')),
    provider: (provider: ProviderName) => providers.get(provider) ?? defaultProvider(provider),
  })
}

const compareNames = (a: EnforcedDocument, b: EnforcedDocument): number =>
  a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0

function compileProvider({ metadata: { name }, spec }: ProviderConfigDocument): CompiledProvider {
  const onClientAbort = spec.onClientAbort ?? (providerFacts(spec.provider).cancelStopsBilling ? 'abort' : 'drain')
  const models = new Map(
    Object.entries(spec.models).map(([asked, model]) => [asked, compileModel(spec.provider, asked, model)]),
  )
  return Object.freeze({ ...spec, name, baseUrl: spec.baseUrl ?? null, models, onClientAbort })
}

function compileModel(
  provider: ProviderName,
  asked: string,
  { model = asked, priceList, price, contextTokensMax, outputTokensMax }: StatedModelDocument,
): StatedModel {
  const rate = (pico: bigint | undefined): string | null => pico?.toString() ?? null
  const rates = price && {
    input: price.input.toString(),
    output: price.output.toString(),
    cacheRead: rate(price.cacheRead),
    cacheWrite5m: rate(price.cacheWrite),
    cacheWrite1h: rate(price.cacheWrite),
  }
  const list = priceList ?? providerFacts(provider).priceList
  return Object.freeze({
    model,
    priceList: list,
    rates: rates ?? null,
    contextTokensMax: contextTokensMax ?? null,
    outputTokensMax: outputTokensMax ?? null,
  })
}

/** The defaults of the schema, read out of the schema itself. */
function defaultProvider(provider: ProviderName): CompiledProvider {
  const metadata = { name: provider }
  return compileProvider(
    providerConfigDocument.parse({
      apiVersion: POLICY_API_VERSION,
      kind: 'ProviderConfig',
      metadata,
      spec: { provider },
    }),
  )
}
