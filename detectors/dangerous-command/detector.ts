import { createHash } from 'node:crypto'
import { type Finding, SEVERITIES, type Severity } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import type { SelfTestedDetector } from '../types.ts'
import type { Hit } from './hit.ts'
import { type Leaf, leavesOf } from './json-leaves.ts'
import { capped, createJudge } from './judge-leaf.ts'
import { isArgv, isProgram, kindOf, type LeafKind, writes } from './leaf-kind.ts'
import { persistenceOf } from './paths.ts'
import { COMMAND_RULES, type CommandRuleId } from './rules.ts'
import { commandLine } from './shell/judge.ts'

/** Raised by hand when the code comes to decide otherwise; the rules are hashed. */
const ENGINE_VERSION = 1

/** Finds what a tool is told to do that nobody should do unasked: docs/detection-commands.md tells how. */
export const dangerousCommandDetector: SelfTestedDetector = {
  id: 'dangerous-command',
  sources: ['tool_call'],
  grades: null,
  rulesOff: [],
  version: `${ENGINE_VERSION}.${createHash('sha256').update(JSON.stringify(COMMAND_RULES)).digest('hex').slice(0, 12)}`,
  holdCharsMax: 0,
  detect: (text, { tool = '' }) => mergeFindings(findingsIn(text, tool)),
  openFrom: (text) => text.length,
  canary: () => `{"command":"cd /tmp && ${['rm', '-rf'].join(' ')} --no-preserve-root /"}`,
}

function findingsIn(text: string, tool: string): readonly Finding[] {
  const leaves = leavesOf(text)
  const judge = createJudge()
  const findings: Finding[] = []
  const report = (hits: readonly Hit[], { spanOf }: Leaf): void => {
    for (const hit of hits) findings.push(findingOf(hit, spanOf))
  }
  for (const [index, leaf] of leaves.entries()) {
    const kind = kindOf(leaf, tool)
    if (leaf.index === 0 && (kind === 'command' || kind === 'unknown')) {
      const words = wordsFrom(leaves, index)
      // The words of one command: what is found is told at the first, so that no finding crosses JSON's own signs.
      if (isArgv(words)) report(spread(judge(commandLine(words), kind), leaf), leaf)
    }
    report(judge(leaf.value, kind), leaf)
    if (kind === 'content') report(judgeContent(leaf, leaves, tool, judge), leaf)
    if (
      kind === 'path' &&
      (writes(tool) || leaves.some((other) => other.object === leaf.object && kindOf(other, tool) === 'content'))
    ) {
      const rule = persistenceOf(leaf.value)
      if (rule) report([{ rule, start: 0, end: leaf.value.length }], leaf)
    }
  }
  return findings
}

function wordsFrom(leaves: readonly Leaf[], index: number): readonly string[] {
  const words: string[] = []
  const array = leaves[index]?.array
  for (let at = index; leaves[at]?.array === array && at < leaves.length; at++) words.push(leaves[at]?.value ?? '')
  return words
}

const spread = (hits: readonly Hit[], { value }: Leaf): readonly Hit[] =>
  hits.map((hit) => ({ ...hit, start: 0, end: value.length }))

/** What is written into a file runs only if the file is a program, and not yet. */
function judgeContent(
  leaf: Leaf,
  leaves: readonly Leaf[],
  tool: string,
  judge: (text: string, kind: LeafKind) => readonly Hit[],
): readonly Hit[] {
  const path = leaves.find((other) => other.object === leaf.object && kindOf(other, tool) === 'path')?.value ?? ''
  return isProgram(path, leaf.value) || persistenceOf(path) !== null
    ? capped(judge(leaf.value, 'command'), 'medium')
    : []
}

/** They tell how something is run; a rule of the same severity that tells what is named before them. */
const TELLS_HOW: ReadonlySet<CommandRuleId> = new Set(['decode-execute', 'encoded-command'])

function findingOf({ rule, start, end, severityMax }: Hit, spanOf: Leaf['spanOf']): Finding {
  const { category, severity, taxonomy } = COMMAND_RULES[rule]
  return {
    detectorId: 'dangerous-command',
    ruleId: rule,
    category,
    severity: severityMax ? lesser(severity, severityMax) : severity,
    score: severityMax ? 0.6 : TELLS_HOW.has(rule) ? 0.8 : 0.9,
    ...spanOf(start, Math.max(end, start + 1)),
    taxonomy,
  }
}

const lesser = (one: Severity, other: Severity): Severity =>
  SEVERITIES.indexOf(one) <= SEVERITIES.indexOf(other) ? one : other
