import { createHash } from 'node:crypto'

/** Who sends a request, and for which model. */
export interface Asker {
  readonly model: string
  readonly agent: string
  readonly workflow: string
  /** Empty: without one. */
  readonly session: string
  readonly tags: Readonly<Record<string, string>>
  readonly key: string
}

/** A budget's scope, and for whom requests count in it. */
export interface ScopeCase {
  readonly name: string
  /** Of the document. */
  readonly spec: Readonly<Record<string, unknown>>
  /** Somebody for whom it holds, and the subject that he counts for. */
  readonly who: Asker
  readonly subject: string
  /** The same where he is sent to `gpt-4.1-nano`; `null` where the budget does not hold for that. */
  readonly nano: string | null
  /** Somebody else, and his subject; `null` where the budget does not hold for him. */
  readonly other: Asker
  readonly otherSubject: string | null
}

/** The one of whom most budgets are. */
const ANN: Asker = {
  model: 'gpt-4.1',
  agent: 'scout',
  workflow: 'reports',
  session: 's-1',
  tags: { team: 'search', user: 'ann', tier: 'gold', region: 'eu' },
  key: 'sk-of-search',
}

/** How a key is told in selectors and subjects: documented as `key-` and 16 hex digits of its SHA-256. */
const told = (key: string): string => `key-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`

const tagged = (tags: Readonly<Record<string, string>>): Asker => ({ ...ANN, tags: { ...ANN.tags, ...tags } })

/** A scope of one named value, and of each value. */
const oneAndEach = (
  scope: string,
  selector: (value: string) => Readonly<Record<string, unknown>>,
  value: string,
  other: Asker,
  otherValue: string,
): readonly ScopeCase[] => [
  {
    name: `${scope} of one`,
    spec: { scope, selector: selector(value) },
    who: ANN,
    subject: value,
    nano: value,
    other,
    otherSubject: null,
  },
  {
    name: `${scope} of each`,
    spec: { scope, selector: selector('*') },
    who: ANN,
    subject: value,
    nano: value,
    other,
    otherSubject: otherValue,
  },
]

const O3: Asker = { ...ANN, model: 'o3' }

const modelled = (
  name: string,
  model: unknown,
  rest: Pick<ScopeCase, 'subject' | 'nano' | 'otherSubject'> & { readonly who?: Asker },
): ScopeCase => ({
  name: `per_model ${name}`,
  spec: { scope: 'per_model', selector: { model } },
  who: ANN,
  other: O3,
  ...rest,
})

/** Every scope, named and with a counter for each, models by all their names, and combinations. */
export const SCOPES: readonly ScopeCase[] = [
  {
    name: 'global',
    spec: { scope: 'global' },
    who: ANN,
    subject: '*',
    nano: '*',
    // Nobody is somebody else to the organisation.
    other: { ...ANN, agent: 'other', workflow: 'other', session: '', tags: {}, key: 'sk-other', model: 'o3' },
    otherSubject: '*',
  },
  ...oneAndEach('per_agent', (agent) => ({ agent }), 'scout', { ...ANN, agent: 'drone' }, 'drone'),
  ...oneAndEach('per_workflow', (workflow) => ({ workflow }), 'reports', { ...ANN, workflow: 'chat' }, 'chat'),
  ...oneAndEach('per_team', (team) => ({ team }), 'search', tagged({ team: 'ads' }), 'ads'),
  ...oneAndEach('per_session', (session) => ({ session }), 's-1', { ...ANN, session: '' }, '(none)'),
  ...oneAndEach('per_user', (user) => ({ user }), 'ann', tagged({ user: 'bob' }), 'bob'),
  ...oneAndEach('per_api_key', (apiKey) => ({ apiKey }), told(ANN.key), { ...ANN, key: 'sk-2' }, told('sk-2')),
  ...oneAndEach('per_tag', (tier) => ({ tags: { tier } }), 'gold', tagged({ tier: 'tin' }), 'tin'),
  modelled('by its name', 'gpt-4.1', { subject: 'gpt-4.1', nano: null, otherSubject: null }),
  modelled('by an alias', 'gpt-4.1-latest', { subject: 'gpt-4.1-latest', nano: null, otherSubject: null }),
  modelled('that is asked for by an alias', 'gpt-4.1', {
    who: { ...ANN, model: 'gpt-4.1-latest' },
    subject: 'gpt-4.1',
    nano: null,
    otherSubject: null,
  }),
  modelled(
    'family',
    { family: 'four', models: ['gpt-4.1', 'gpt-4.1-nano'] },
    { subject: 'four', nano: 'four', otherSubject: null },
  ),
  modelled('of each', '*', { subject: 'gpt-4.1', nano: 'gpt-4.1-nano', otherSubject: 'o3' }),
  {
    name: 'per_agent and model, of each',
    spec: { scope: 'per_agent', selector: { agent: '*', model: '*' } },
    who: ANN,
    subject: 'scout|gpt-4.1',
    nano: 'scout|gpt-4.1-nano',
    other: O3,
    otherSubject: 'scout|o3',
  },
  {
    name: 'per_workflow, agent, session and two tags',
    spec: {
      scope: 'per_workflow',
      selector: { tags: { tier: 'gold', region: '*' }, session: '*', workflow: 'reports', agent: '*' },
    },
    who: ANN,
    subject: 'scout|reports|s-1|eu|gold',
    nano: 'scout|reports|s-1|eu|gold',
    other: tagged({ tier: 'tin' }),
    otherSubject: null,
  },
]

/** What a request of somebody says of him. */
export const headersOf = ({ agent, workflow, session, tags, key }: Asker): readonly string[] => [
  ...['x-acc-agent', agent, 'x-acc-workflow', workflow, 'authorization', `Bearer ${key}`],
  ...(session === '' ? [] : ['x-acc-session', session]),
  'x-acc-tags',
  Object.entries(tags)
    .map(([tag, value]) => `${tag}=${value}`)
    .join(),
]
