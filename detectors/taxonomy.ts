import type { Taxonomy } from '@agentcostcontrol/contract'

/**
 * A credential in the open. OWASP Top 10 for LLM applications 2025: sensitive information disclosure; OWASP Top 10 for
 * agentic applications 2026: identity and privilege abuse; MITRE ATLAS 5: unsecured credentials.
 */
export const UNSECURED_CREDENTIAL: Taxonomy = Object.freeze({
  owaspLlm: 'LLM02:2025',
  owaspAgentic: 'ASI03',
  mitreAtlas: 'AML.T0055',
})
