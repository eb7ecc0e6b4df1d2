/**
 * Where findings stand in the public taxonomies: OWASP's Top 10 for LLM applications of 2025, its Top 10 for agentic
 * applications of 2026 (ASI01 to ASI10), and MITRE ATLAS, data version 5.
 */
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

/**
 * What a tool does is decided by an untrusted text. OWASP LLM 2025: prompt injection; agentic 2026: agent goal hijack;
 * MITRE ATLAS 5: indirect prompt injection.
 */
export const UNTRUSTED_ARGUMENT: Taxonomy = Object.freeze({
  owaspLlm: 'LLM01:2025',
  owaspAgentic: 'ASI01',
  mitreAtlas: 'AML.T0051.001',
})

/**
 * What was secret leaves by a call or a link. OWASP LLM 2025: sensitive information disclosure; agentic 2026: tool misuse
 * and exploitation; MITRE ATLAS 5: exfiltration via an agent's tool invocation.
 */
export const DATA_LEAVES: Taxonomy = Object.freeze({
  owaspLlm: 'LLM02:2025',
  owaspAgentic: 'ASI02',
  mitreAtlas: 'AML.T0086',
})

/**
 * Data leaves by what a client fetches when it shows an answer. OWASP LLM 2025: sensitive information disclosure; agentic
 * 2026: agent goal hijack; MITRE ATLAS 5: LLM response rendering.
 */
export const DATA_RENDERED: Taxonomy = Object.freeze({
  owaspLlm: 'LLM02:2025',
  owaspAgentic: 'ASI01',
  mitreAtlas: 'AML.T0077',
})

/**
 * The system prompt comes out. OWASP LLM 2025: system prompt leakage; the agentic list has no entry of its own for it;
 * MITRE ATLAS 5: extract LLM system prompt.
 */
export const SYSTEM_PROMPT_LEAKS: Taxonomy = Object.freeze({
  owaspLlm: 'LLM07:2025',
  owaspAgentic: null,
  mitreAtlas: 'AML.T0056',
})

/**
 * A tool is not the one that was approved. OWASP LLM 2025: supply chain; agentic 2026: agentic supply chain
 * vulnerabilities; MITRE ATLAS 5: AI agent tool poisoning.
 */
export const TOOL_NOT_AS_PINNED: Taxonomy = Object.freeze({
  owaspLlm: 'LLM03:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0110',
})

/** Orders to the model from whoever may not give any: OWASP's prompt injection, agent goal hijack; ATLAS: LLM prompt injection. */
export const PROMPT_INJECTION: Taxonomy = Object.freeze({
  owaspLlm: 'LLM01:2025',
  owaspAgentic: 'ASI01',
  mitreAtlas: 'AML.T0051',
})

/** The model is talked out of its limits: a kind of prompt injection to OWASP, LLM jailbreak to ATLAS. */
export const JAILBREAK: Taxonomy = Object.freeze({
  owaspLlm: 'LLM01:2025',
  owaspAgentic: 'ASI01',
  mitreAtlas: 'AML.T0054',
})

/** Orders in the definition of a tool: agentic supply chain to OWASP, AI agent tool poisoning to ATLAS. */
export const TOOL_POISONING: Taxonomy = Object.freeze({
  owaspLlm: 'LLM01:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0110',
})

/** A package that is known to be malicious. Supply chain, agentic supply chain vulnerabilities; ATLAS: AI supply chain compromise. */
export const COMPROMISED_PACKAGE: Taxonomy = Object.freeze({
  owaspLlm: 'LLM03:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0010',
})

/** An address or a file that is known to do harm. Supply chain, agentic supply chain vulnerabilities; ATLAS: user execution. */
export const KNOWN_BAD_CONTENT: Taxonomy = Object.freeze({
  owaspLlm: 'LLM03:2025',
  owaspAgentic: 'ASI04',
  mitreAtlas: 'AML.T0011',
})

const taxonomy = (owaspLlm: string, owaspAgentic: string, mitreAtlas: string): Taxonomy =>
  Object.freeze({ owaspLlm, owaspAgentic, mitreAtlas })

/** Excessive agency; unexpected code execution; command and scripting interpreter. */
export const COMMAND_EXECUTION = taxonomy('LLM06:2025', 'ASI05', 'AML.T0050')
/** Excessive agency; unexpected code execution; reverse shell. */
export const REVERSE_SHELL = taxonomy('LLM06:2025', 'ASI05', 'AML.T0072')
/** Excessive agency; tool misuse; data destruction by an agent's tool. */
export const DATA_DESTRUCTION = taxonomy('LLM06:2025', 'ASI02', 'AML.T0101')
/** Excessive agency; identity and privilege abuse; unsecured credentials. */
export const CREDENTIAL_ACCESS = taxonomy('LLM06:2025', 'ASI03', 'AML.T0055')
/** Sensitive information disclosure; tool misuse; exfiltration by an agent's tool. */
export const EXFILTRATION_BY_TOOL = taxonomy('LLM02:2025', 'ASI02', 'AML.T0086')
/** Excessive agency; unexpected code execution; an agent's tool is invoked. */
export const PERSISTENCE = taxonomy('LLM06:2025', 'ASI05', 'AML.T0053')
/** Excessive agency; tool misuse; an agent's tool is invoked. */
export const TOOL_MISUSE = taxonomy('LLM06:2025', 'ASI02', 'AML.T0053')

/**
 * Facts about people where they need not be. OWASP LLM 2025: sensitive information disclosure. The agentic list has no
 * entry of its own for it; MITRE ATLAS 5: LLM data leakage.
 */
export const PERSONAL_DATA: Taxonomy = Object.freeze({
  owaspLlm: 'LLM02:2025',
  owaspAgentic: null,
  mitreAtlas: 'AML.T0057',
})

/**
 * An agent that goes round in circles. OWASP LLM 2025: unbounded consumption; agentic 2026: cascading failures; MITRE
 * ATLAS 5: cost harvesting.
 */
export const UNBOUNDED_CONSUMPTION: Taxonomy = taxonomy('LLM10:2025', 'ASI08', 'AML.T0034')

/** Prompt injection; agent goal hijack; prompt obfuscation. */
export const PROMPT_OBFUSCATION = taxonomy('LLM01:2025', 'ASI01', 'AML.T0068')
