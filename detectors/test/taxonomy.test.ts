import type { Taxonomy } from '@agentcostcontrol/contract'
import t from 'tap'
import { COMMAND_RULES } from '../dangerous-command/rules.ts'
import { DETECTORS } from '../index.ts'
import * as taxonomies from '../taxonomy.ts'

/** The techniques of MITRE ATLAS that we name, by the names that they have there. */
const TECHNIQUES: Readonly<Record<string, string>> = {
  'AML.T0010': 'AI Supply Chain Compromise',
  'AML.T0011': 'User Execution',
  'AML.T0025': 'Exfiltration via Cyber Means',
  'AML.T0034': 'Cost Harvesting',
  'AML.T0050': 'Command and Scripting Interpreter',
  'AML.T0051': 'LLM Prompt Injection',
  'AML.T0051.001': 'LLM Prompt Injection: Indirect',
  'AML.T0053': 'AI Agent Tool Invocation',
  'AML.T0054': 'LLM Jailbreak',
  'AML.T0055': 'Unsecured Credentials',
  'AML.T0056': 'Extract LLM System Prompt',
  'AML.T0057': 'LLM Data Leakage',
  'AML.T0068': 'LLM Prompt Obfuscation',
  'AML.T0072': 'Reverse Shell',
  'AML.T0077': 'LLM Response Rendering',
  'AML.T0086': 'Exfiltration via AI Agent Tool Invocation',
  'AML.T0101': 'Data Destruction via AI Agent Tool Invocation',
  'AML.T0110': 'AI Agent Tool Poisoning',
}

const LLM = /^LLM(?:0[1-9]|10):2025$/
const AGENTIC = /^ASI(?:0[1-9]|10)$/

const all: readonly Taxonomy[] = Object.values(taxonomies)

t.test('ids are those of the lists: OWASP LLM 2025, OWASP agentic 2026, MITRE ATLAS', async (t) => {
  t.ok(all.length > 10, 'there was something to look at')
  for (const { owaspLlm, owaspAgentic, mitreAtlas } of all) {
    t.match(owaspLlm, LLM)
    if (owaspAgentic !== null) t.match(owaspAgentic, AGENTIC)
    t.ok(mitreAtlas !== null && TECHNIQUES[mitreAtlas] !== undefined, `${mitreAtlas} is a technique of ATLAS`)
  }
})

t.test('every detector and every rule about commands says where its findings stand', async (t) => {
  for (const detector of DETECTORS) {
    const [source = 'user'] = detector.sources
    const [finding] = detector.detect(detector.canary(), { source })
    t.ok(finding && all.includes(finding.taxonomy), detector.id)
  }
  for (const [id, { taxonomy }] of Object.entries(COMMAND_RULES)) t.ok(all.includes(taxonomy), id)
})
