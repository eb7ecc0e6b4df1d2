import type { Severity } from '@agentcostcontrol/contract'
import type { CommandRuleId } from './rules.ts'

/** What was found in a text that a tool is given; offsets in that text. */
export interface Hit {
  readonly rule: CommandRuleId
  readonly start: number
  readonly end: number
  /** Where the place makes it less than the rule says. */
  readonly severityMax?: Severity
}

/** In which language a text is judged. */
export type Language = 'shell' | 'code' | 'powershell' | 'sql'

/** Judges a text that stands inside another; its hits are put where the outer text has it. */
export type JudgeNested = (text: string, language: Language) => readonly Hit[]
