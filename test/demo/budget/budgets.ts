import { parseUsd } from '@agentcostcontrol/contract'

const LIMIT = '1.00'
/** What the budget over all may spend. */
export const LIMIT_NANO_USD = parseUsd(LIMIT)
/** Its id. */
export const SHARED = 'Budget/shared'

const budget = (name: string, spec: string): string =>
  `apiVersion: agentcostcontrol.io/v1\nkind: Budget\nmetadata: { name: ${name} }\nspec: { ${spec} }\n`

/** The budgets: one over all, and others that overlap with it and with each other. Together they allow more than it. */
export const POLICIES: Readonly<Record<string, string>> = {
  'shared.yaml': budget('shared', `scope: global, limit: "${LIMIT}", period: total`),
  'each-agent.yaml': budget('each-agent', 'scope: per_agent, selector: { agent: "*" }, limit: "0.40", period: total'),
  'planner.yaml': budget('planner', 'scope: per_agent, selector: { agent: planner }, limit: "0.30", period: daily'),
  'dear-model.yaml': budget(
    'dear-model',
    'scope: per_model, selector: { model: gpt-5.2 }, limit: "0.35", period: total',
  ),
  'each-workflow.yaml': budget(
    'each-workflow',
    'scope: per_workflow, selector: { workflow: "*" }, limit: "0.50", period: total',
  ),
}
