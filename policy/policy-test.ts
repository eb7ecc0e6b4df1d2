/** Runs the PolicyTests of a revision: what it decides about requests against what its authors expect. */
import { type PolicyTestDocument, SEVERITIES } from '@agentcostcontrol/contract'
import { showPath } from './locate.ts'
import { countAlike } from './loops.ts'
import type { ParsedDocument } from './parse.ts'
import type {
  CompiledDetectorPolicy,
  CompiledPolicy,
  CompiledRunaway,
  MatchedBudget,
  PolicyProblem,
  Spender,
} from './types.ts'
import { PROBLEMS_MAX } from './yaml.ts'

type Case = PolicyTestDocument['spec']['cases'][number]
type ExpectedBudget = NonNullable<Case['expect']['budgets']>[number]
type ExpectedRunaway = NonNullable<Case['expect']['runaway']>
type ExpectedDetector = NonNullable<NonNullable<Case['expect']['detectors']>['secrets']>

/** Most cases of a folder: each looks at every budget, and a folder may hold thousands of both. */
const CASES_MAX = 1_000
/** Budgets that a message names, and characters of what it quotes. */
const SHOWN_MAX = 10
const SHOWN_CHARS_MAX = 600
const PROVIDER_SETTINGS = ['onUnpricedModel', 'onUnpricedEndpoint', 'onUnbounded', 'onClientAbort'] as const
const NOT_RUN = 'a detector that does not run'

/** What came of the tests: how many cases passed, and every difference. */
export interface PolicyTestResult {
  readonly passed: number
  readonly problems: readonly PolicyProblem[]
}

/** A place in the expectations of a case where the policy decides otherwise. */
interface Difference {
  readonly path: readonly PropertyKey[]
  readonly expected: string
  readonly found: string
}

/** Runs every case of the PolicyTests among these documents, which are those of the policy. */
export function runPolicyTests(policy: CompiledPolicy, documents: readonly ParsedDocument[]): PolicyTestResult {
  const problems: PolicyProblem[] = []
  let run = 0
  let passed = 0
  for (const { document, file, lineOf } of documents) {
    if (document.kind !== 'PolicyTest') continue
    const tell = (path: readonly PropertyKey[], message: string): void =>
      void problems.push({ file, line: lineOf(path), path: showPath(path), message })
    run += document.spec.cases.length
    if (run > CASES_MAX) {
      tell(['spec', 'cases'], `the folder holds more than ${CASES_MAX} cases of PolicyTests: put some together`)
      break
    }
    for (const [at, tested] of document.spec.cases.entries()) {
      const differences = differencesOf(policy, tested)
      if (differences.length === 0) passed++
      for (const { path, expected, found } of differences)
        tell(
          ['spec', 'cases', at, 'expect', ...path],
          `test "${document.metadata.name}", case "${tested.name}": expected ${cut(expected)}, found ${cut(found)}`,
        )
      if (problems.length >= PROBLEMS_MAX) return { passed, problems: problems.slice(0, PROBLEMS_MAX) }
    }
  }
  return { passed, problems }
}

/** Where the policy decides otherwise than a case expects. */
function differencesOf(policy: CompiledPolicy, { request, expect }: Case): readonly Difference[] {
  const { agent, workflow, session, task, tags, provider, model } = request
  const principal = { agent, workflow, session, task, tags }
  const differences: Difference[] = []
  const compare = (path: readonly PropertyKey[], expected: string, found: string): void => {
    if (expected !== found) differences.push({ path, expected, found })
  }
  const { budgets, security, detectors } = expect
  if (budgets) compareBudgets(budgets, policy.budgetsFor(spenderOf(request)), compare)
  const holds = policy.securityFor(principal, provider ?? null)
  if (security !== undefined) compare(['security'], nameOr(security), nameOr(holds?.name ?? null))
  for (const [id, expected] of Object.entries(detectors ?? {})) {
    if (expected === undefined) continue
    const detector = holds?.detectors.find(({ detectorId }) => detectorId === id) ?? null
    compareDetector(['detectors', id], expected, detector, compare)
  }
  const { runaway } = expect
  if (runaway) compare(['runaway', 'action'], runaway.action, actionOnRepeats(holds?.runaway ?? null, runaway.repeated))
  if (!expect.provider || !provider) return differences
  const found = policy.provider(provider)
  for (const key of PROVIDER_SETTINGS) {
    const setting = expect.provider[key]
    if (setting) compare(['provider', key], setting, found[key])
  }
  const { modelEntry } = expect.provider
  if (modelEntry !== undefined && model !== undefined) {
    const entry = [model, '*'].find((name) => found.models.has(name)) ?? null
    compare(['provider', 'modelEntry'], nameOr(modelEntry), nameOr(entry))
  }
  return differences
}

/** A tested request names its model as the price list does: no list is at hand. */
const spenderOf = ({ agent, workflow, session, task, tags, provider, model, apiKey }: Case['request']): Spender => ({
  principal: { agent, workflow, session, task, tags },
  model:
    model === undefined
      ? null
      : { provider: provider ?? '', asked: model, canonical: model, canonicalOf: (name) => name },
  apiKey: () => apiKey,
})

/** What is done by the time that the same was asked so often, with nothing else in between. */
function actionOnRepeats(runaway: CompiledRunaway | null, { times, everyS }: ExpectedRunaway['repeated']): string {
  if (!runaway?.repeats) return 'none'
  let asked: readonly number[] = []
  for (let at = 0; at < times; at++) {
    const counted = countAlike(asked, at * everyS * 1_000, runaway.repeats)
    if (counted.isLoop) return runaway.mode === 'enforce' ? runaway.action : 'alert'
    asked = counted.times
  }
  return 'none'
}

type Compare = (path: readonly PropertyKey[], expected: string, found: string) => void

const nameOr = (name: string | null): string => (name === null ? 'none' : JSON.stringify(name))

/** Budgets are the same if they are the same set; of each of them what the case says is looked at. */
function compareBudgets(expected: readonly ExpectedBudget[], found: readonly MatchedBudget[], compare: Compare): void {
  const asked = new Map(expected.map((budget) => [budget.name, budget]))
  const matched = found.map(({ budget: { name, mode }, subject }) => {
    const said = asked.get(name)
    return shownBudget({ name, subject: said?.subject && subject, mode: said?.mode && mode })
  })
  const wanted = expected.map(shownBudget).toSorted()
  const got = matched.toSorted()
  if (wanted.join() !== got.join()) compare(['budgets'], listed(wanted, got), listed(got, wanted))
}

const shownBudget = ({ name, subject, mode }: ExpectedBudget): string => {
  const said = [subject === undefined ? [] : [`subject ${JSON.stringify(subject)}`], mode ?? []].flat()
  return said.length === 0 ? name : `${name} (${said.join(', ')})`
}

/** A list as it is told; of a long one what the other lacks. */
function listed(list: readonly string[], other: readonly string[]): string {
  if (list.length === 0) return 'no budget'
  if (list.length <= SHOWN_MAX) return list.join(', ')
  const known = new Set(other)
  const own = list.filter((each) => !known.has(each))
  return `${list.length} budgets, among them ${own.slice(0, SHOWN_MAX).join(', ') || 'none but those'}`
}

function compareDetector(
  path: readonly PropertyKey[],
  expected: ExpectedDetector | null,
  found: CompiledDetectorPolicy | null,
  compare: Compare,
): void {
  if (expected === null || found === null) {
    compare(path, expected === null ? NOT_RUN : 'one that runs', found === null ? NOT_RUN : 'one that runs')
    return
  }
  if (expected.mode) compare([...path, 'mode'], expected.mode, found.mode)
  for (const direction of ['request', 'response'] as const) {
    for (const severity of SEVERITIES) {
      const action = expected[direction]?.[severity]
      if (action) compare([...path, direction, severity], action, found[direction][severity])
    }
  }
}

const cut = (text: string): string => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text)
