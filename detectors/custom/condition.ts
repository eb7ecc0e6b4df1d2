import type { SegmentSource } from '@agentcostcontrol/contract'
import type { ASTNode } from '@marcbachmann/cel-js'
import { cel } from './engines.ts'
import { compilePattern, type LinearPattern } from './pattern.ts'

/** What a condition looks at. */
export interface ConditionInput {
  readonly segment: { readonly source: SegmentSource; readonly tool: string; readonly text: string }
  /** What a tool is called with; nothing in it for other texts. */
  readonly args: unknown
}

/** A condition, or what is wrong with it. */
export type CompiledCondition =
  | { readonly ok: true; holds(input: ConditionInput): boolean }
  | { readonly ok: false; readonly message: string }

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter', 'sortBy', 'bind'])
/** In place of `matches`, whose engine is not linear. */
const LINEAR_MATCHES = 'matchesInLinearTime'
const patterns = new Map<string, LinearPattern>()

/** What conditions are read by, and evaluated by. */
function newEnvironments() {
  const written = new (cel().Environment)({
    limits: { maxAstNodes: 400, maxDepth: 24, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 16 },
  })
    .registerVariable('segment', 'map')
    .registerVariable('args', 'dyn')
  const linear = written
    .clone()
    .registerFunction(
      `string.${LINEAR_MATCHES}(string): bool`,
      (text: string, source: string) => patterns.get(source)?.isIn(text) ?? false,
    )
  return { written, linear }
}
let made: ReturnType<typeof newEnvironments> | null = null

/**
 * Compiles a condition in CEL. Its time is linear in what it looks at: patterns are RE2's, and a macro's own variable is
 * all that is known inside it.
 */
export function compileCondition(source: string): CompiledCondition {
  made ??= newEnvironments()
  const { written: environment, linear } = made
  try {
    const written = environment.parse(source)
    const checked = written.check()
    if (!checked.valid) return { ok: false, message: firstLine(checked.error) }
    if (checked.type !== 'bool' && checked.type !== 'dyn')
      return { ok: false, message: `it is ${checked.type}, and must be true or false` }
    const mistake = mistakeIn(written.ast, null)
    if (mistake !== null) return { ok: false, message: mistake }
    const evaluate = linear.parse(cel().serialize(written.ast))
    return { ok: true, holds: (input) => isTrue(() => evaluate(input)) }
  } catch (error) {
    return { ok: false, message: firstLine(error) }
  }
}

/** What cannot be evaluated, since it names what is not there, does not hold. */
function isTrue(evaluate: () => unknown): boolean {
  try {
    return evaluate() === true
  } catch {
    return false
  }
}

/**
 * Puts linear matching in place of the other, and finds what a condition may not say.
 * @param known the variable of the macro that this is inside of; `null` outside
 */
function mistakeIn(node: ASTNode, known: string | null): string | null {
  if (node.op === 'id' && known !== null && node.args !== known)
    return `inside of a macro its own variable \`${known}\` is all that may be named, not \`${String(node.args)}\``
  if (node.op === 'call' && MACROS.has(node.args[0])) return `\`${node.args[0]}\` is not known here`
  if (node.op === 'call' && node.args[0] === 'matches')
    return 'write `text.matches("pattern")`, not `matches(text, "pattern")`'
  if (node.op !== 'rcall') return firstMistake(childrenOf(node), known)
  const [name, receiver, given] = node.args
  if (MACROS.has(name)) {
    const [variable, ...bodies] = given
    if (known !== null) return `\`${name}\` stands inside of another macro: put them beside each other`
    if (variable?.op !== 'id') return `\`${name}\` has no variable`
    return mistakeIn(receiver, known) ?? firstMistake(bodies, variable.args)
  }
  if (name === 'matches') {
    const [pattern] = given
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string')
      return 'the pattern of `matches` must be a text that stands there'
    const compiled = compilePattern(pattern.args, false)
    if (!compiled.ok) return `the pattern of \`matches\`: ${compiled.message}`
    patterns.set(pattern.args, compiled.pattern)
    node.args[0] = LINEAR_MATCHES
  }
  return firstMistake([receiver, ...given], known)
}

const firstMistake = (nodes: readonly ASTNode[], known: string | null): string | null => {
  for (const node of nodes) {
    const mistake = mistakeIn(node, known)
    if (mistake !== null) return mistake
  }
  return null
}

const isNode = (value: unknown): value is ASTNode => typeof value === 'object' && value !== null && 'op' in value

/** The nodes below one. */
function childrenOf(node: ASTNode): readonly ASTNode[] {
  const args: unknown = node.args
  return Array.isArray(args) ? args.flat(2).filter(isNode) : isNode(args) ? [args] : []
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1).join('').slice(0, 500)
