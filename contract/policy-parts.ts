/** What the schemas of several kinds of policy documents share. */
import * as z from 'zod'
import { parseUsd, parseUsdPerMillion } from './money.ts'

/** The `apiVersion` of every policy document. */
export const POLICY_API_VERSION = 'agentcostcontrol.io/v1'

const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

/** Name and description of a document. */
export const metadata = z.strictObject({
  name: z.string().regex(NAME, 'use 1 to 253 of a-z, 0-9, "-" and ".", beginning and ending with a letter or digit'),
  description: z.string().max(2000).optional(),
})

/** 25 becomes 25.00, 0.0005 stays. */
const asUsd = (amount: number): string => (Number(amount.toFixed(2)) === amount ? amount.toFixed(2) : String(amount))

/** Money in a policy: a decimal USD string. A YAML number is refused, since it has already lost what it was. */
const money = <T>(expected: string, parse: (text: string) => T) =>
  z
    .string({
      error: (issue) =>
        typeof issue.input === 'number'
          ? `write money as a quoted string, like "${asUsd(issue.input)}"; a YAML number loses digits`
          : expected,
    })
    .transform((text, context) => {
      try {
        return parse(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
        return z.NEVER
      }
    })

/** An amount in nano-USD. */
export const usd = money('expected an amount of USD like "250.00" or "$250"', parseUsd)
/** A rate in pico-USD per token. */
export const usdPerMillion = money('expected USD per million tokens like "0.60", or "0"', parseUsdPerMillion)

/** Whether a rule decides, or is only counted. */
export const mode = z.enum(['audit', 'enforce'])
