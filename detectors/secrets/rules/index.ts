import type { RuleFile } from '../rule.ts'
import { AI_PROVIDERS } from './ai-providers.ts'
import { CLOUD } from './cloud.ts'
import { CODE_HOSTS } from './code-hosts.ts'
import { DATABASES } from './databases.ts'
import { GENERIC } from './generic.ts'
import { INFRASTRUCTURE } from './infrastructure.ts'
import { KEYS } from './keys.ts'
import { MESSAGING } from './messaging.ts'
import { PAYMENT } from './payment.ts'
import { SAAS } from './saas.ts'

/** All rules, by family. */
export const RULE_FILES: readonly RuleFile[] = [
  AI_PROVIDERS,
  CLOUD,
  CODE_HOSTS,
  DATABASES,
  INFRASTRUCTURE,
  KEYS,
  MESSAGING,
  PAYMENT,
  SAAS,
  GENERIC,
]
