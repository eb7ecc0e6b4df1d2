import { AGENTS } from './agents.ts'
import { ANTHROPIC } from './anthropic.ts'
import { ACTIONS_OF_BUDGETS, BUDGETS } from './budgets.ts'
import { BUDGETS_OF_API } from './budgets-api.ts'
import { CHANNEL_FAULTS } from './channel.ts'
import { COMPATIBLE } from './compatible.ts'
import { CONTROL_PLANE } from './control-plane.ts'
import { EMBEDDINGS } from './embeddings.ts'
import type { Fault } from './fault.ts'
import { GEMINI } from './gemini.ts'
import { GUARDS } from './guards.ts'
import { LEDGER } from './ledger.ts'
import { LOST } from './lost-spend.ts'
import { OPERATIONS } from './operations.ts'
import { POLICIES } from './policies.ts'
import { PRICING } from './pricing.ts'
import { REDIS } from './redis.ts'
import { REQUESTS } from './requests.ts'
import { RESPONSES } from './responses.ts'

/** Every fault. */
export const FAULTS: readonly Fault[] = [
  ...PRICING,
  ...LOST,
  ...BUDGETS,
  ...ACTIONS_OF_BUDGETS,
  ...BUDGETS_OF_API,
  ...GUARDS,
  ...AGENTS,
  ...ANTHROPIC,
  ...CHANNEL_FAULTS,
  ...COMPATIBLE,
  ...CONTROL_PLANE,
  ...EMBEDDINGS,
  ...GEMINI,
  ...LEDGER,
  ...OPERATIONS,
  ...REDIS,
  ...RESPONSES,
  ...REQUESTS,
  ...POLICIES,
]
