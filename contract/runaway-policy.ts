import * as z from 'zod'
import { AGENT_PAUSE_MS_MAX } from './agent-command.ts'
import { mode, usd } from './policy-parts.ts'

/** What is done about an agent that runs away. */
export const RUNAWAY_ACTIONS = ['alert', 'throttle', 'pause'] as const

/** What a PolicyTest expects of them: what is done, once the same was asked so often, one every so many seconds. */
export const expectedRunaway = z.strictObject({
  repeated: z.strictObject({
    times: z.int().min(1).max(1_000),
    everyS: z.number().min(0).max(3_600).default(0),
  }),
  /** `alert` also where the policy would do more and is in audit mode; `none`: it is not noticed. */
  action: z.enum([...RUNAWAY_ACTIONS, 'none']),
})

/** The settings of the detectors of runaway agents, as a SecurityPolicy holds them. */
export const runawaySettings = z
  .strictObject({
    /** `audit`: findings, and nothing is done. */
    mode: mode.default('enforce'),
    /** Spending of an agent against its own past. */
    velocity: z
      .strictObject({
        /** So many times what it spent a minute over the last hour. */
        factor: z.number().min(1.1).max(1_000).default(5),
        /** What is never too fast. */
        minUsdPerMinute: usd,
        windowS: z.int().min(10).max(3_600).default(60),
      })
      .optional(),
    /** The same, or nearly the same, new text in one session again and again. */
    repeats: z
      .strictObject({
        count: z.int().min(3).max(100).default(10),
        withinS: z.int().min(1).max(3_600).default(300),
        /** Share of the text that is the same; 1: all of it. */
        similarity: z.number().min(0.5).max(1).default(0.95),
      })
      .optional(),
    action: z.enum(RUNAWAY_ACTIONS).default('alert'),
    throttle: z
      .strictObject({
        requestsPerMinute: z.int().min(1).max(6_000).default(6),
        forS: z.int().min(1).max(86_400).default(600),
      })
      .prefault({}),
    pauseMs: z.int().min(1_000).max(AGENT_PAUSE_MS_MAX).default(600_000),
  })
  .refine(({ velocity, repeats }) => velocity !== undefined || repeats !== undefined, {
    message: 'say what to look for: `velocity`, `repeats` or both',
    when: ({ issues }) => issues.length === 0,
  })
