import type { Severity, Taxonomy } from '@agentcostcontrol/contract'
import {
  COMMAND_EXECUTION,
  CREDENTIAL_ACCESS,
  DATA_DESTRUCTION,
  EXFILTRATION_BY_TOOL,
  PERSISTENCE,
  REVERSE_SHELL,
  TOOL_MISUSE,
} from '../taxonomy.ts'

/** What a rule says of what it found. */
export interface CommandRule {
  readonly category: string
  readonly severity: Severity
  readonly taxonomy: Taxonomy
}

const of =
  (category: string, taxonomy: Taxonomy) =>
  (severity: Severity): CommandRule =>
    Object.freeze({ category, severity, taxonomy })

const destruction = of('destruction', DATA_DESTRUCTION)
const execution = of('execution', COMMAND_EXECUTION)
const backdoor = of('reverse-shell', REVERSE_SHELL)
const credentials = of('credential-access', CREDENTIAL_ACCESS)
const leak = of('exfiltration', EXFILTRATION_BY_TOOL)
const staying = of('persistence', PERSISTENCE)
const evasion = of('defence-evasion', TOOL_MISUSE)
const privilege = of('privilege', TOOL_MISUSE)
const publication = of('publication', TOOL_MISUSE)
const infrastructure = of('infrastructure', DATA_DESTRUCTION)
const database = of('database', DATA_DESTRUCTION)
const injection = of('sql-injection', COMMAND_EXECUTION)

/** Every rule, by its id. Ids are stable: they stand in policies and events. */
export const COMMAND_RULES = Object.freeze({
  'delete-root': destruction('critical'),
  'delete-important': destruction('high'),
  'delete-everything-here': destruction('medium'),
  'wipe-disk': destruction('critical'),
  'fork-bomb': destruction('critical'),
  'overwrite-system-file': destruction('high'),
  'kill-everything': destruction('medium'),
  'download-execute': execution('high'),
  'download-execute-known': execution('low'),
  'download-execute-plain': execution('critical'),
  'decode-execute': execution('high'),
  'encoded-command': execution('high'),
  'unsafe-deserialization': execution('high'),
  'reverse-shell': backdoor('critical'),
  'bind-shell': backdoor('critical'),
  'credential-read': credentials('high'),
  'password-file-read': credentials('high'),
  'keychain-read': credentials('high'),
  'dotenv-read': credentials('medium'),
  'cloud-metadata': credentials('high'),
  'service-account-token': credentials('high'),
  'credential-send': leak('critical'),
  'environment-send': leak('critical'),
  'file-send': leak('medium'),
  'scheduled-task': staying('high'),
  'service-install': staying('medium'),
  'login-script': staying('medium'),
  'authorized-keys': staying('high'),
  'git-hook': staying('medium'),
  'account-change': staying('high'),
  'preload-library': staying('high'),
  'history-clear': evasion('high'),
  'log-clear': evasion('high'),
  'security-off': evasion('high'),
  'firewall-off': evasion('high'),
  'world-writable': privilege('low'),
  'world-writable-root': privilege('high'),
  'set-user-id': privilege('high'),
  'sudoers-change': privilege('critical'),
  'container-privileged': privilege('medium'),
  'container-host-mount': privilege('high'),
  'package-publish': publication('medium'),
  'force-push': publication('medium'),
  'mirror-push': publication('high'),
  'repository-delete': infrastructure('high'),
  'history-rewrite': infrastructure('medium'),
  'cluster-delete': infrastructure('high'),
  'resource-delete': infrastructure('low'),
  'infrastructure-destroy': infrastructure('high'),
  'cloud-delete': infrastructure('high'),
  'sql-drop': database('high'),
  'sql-truncate': database('high'),
  'sql-delete-all': database('high'),
  'sql-update-all': database('high'),
  'sql-grant-all': of('privilege', TOOL_MISUSE)('high'),
  'sql-execute': execution('critical'),
  'sql-file-access': credentials('high'),
  'sql-injection': injection('high'),
} satisfies Record<string, CommandRule>)

/** One of {@link COMMAND_RULES}. */
export type CommandRuleId = keyof typeof COMMAND_RULES
