import type { Taxonomy } from '@agentcostcontrol/contract'

/**
 * A package that is known to be malicious. OWASP LLM 2025: supply chain; OWASP agentic 2026: agentic supply chain
 * vulnerabilities; MITRE ATLAS 5: AI supply chain compromise.
 */
export const COMPROMISED_PACKAGE: Taxonomy = Object.freeze({
  owaspLlm: 'LLM03:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0010',
})

/**
 * An address or a file that is known to do harm. OWASP LLM 2025: supply chain; OWASP agentic 2026: agentic supply chain
 * vulnerabilities; MITRE ATLAS 5: user execution.
 */
export const KNOWN_BAD_CONTENT: Taxonomy = Object.freeze({
  owaspLlm: 'LLM03:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0011',
})
