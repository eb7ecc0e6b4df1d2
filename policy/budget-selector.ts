import { createHash } from 'node:crypto'
import { type BudgetDocument, SUBJECT_NONE } from '@agentcostcontrol/contract'
import type { Spender, SpenderModel } from './types.ts'

type Selector = NonNullable<BudgetDocument['spec']['selector']>

/** Looks at one side of a request. */
interface Part {
  /** What it looks at, as a text: requests that show the same are the same to it. */
  readonly sees: Look
  /** The value that is counted; `null` if the budget does not hold for the request. */
  match(spender: Spender): string | null
}

/** What a budget looks at of a request; the name tells one look from another. */
export interface Look {
  readonly name: string
  see(spender: Spender): string | null
}

/** Which requests a budget holds for, and by what it counts them. */
export interface BudgetSelector {
  readonly looks: readonly Look[]
  /** The subject that a request counts for; `null` if the budget does not hold for it. */
  subjectOf(spender: Spender): string | null
}

const EACH = '*'
const EVERYBODY = '*'
/** Longest subject, in characters: it is part of a key. */
const SUBJECT_CHARS_MAX = 256
const KEPT_CHARS = 200
/** Characters that no key may hold, and those that part and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNFIT = /[\u0000-\u001f|%]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNFIT_ALONE = /[\u0000-\u001f]/g

/** Compiles a selector; one without parts holds for every request. */
export function selectorOf(selector: Selector): BudgetSelector {
  const parts = partsOf(selector)
  const [only] = parts
  return {
    looks: parts.map(({ sees }) => sees),
    subjectOf: (spender) => {
      if (only === undefined) return EVERYBODY
      if (parts.length === 1) {
        const value = only.match(spender)
        return value === null ? null : fitting(escaped(value, UNFIT_ALONE))
      }
      const values: string[] = []
      for (const part of parts) {
        const value = part.match(spender)
        if (value === null) return null
        values.push(escaped(value, UNFIT))
      }
      return fitting(values.join('|'))
    },
  }
}

function partsOf({ agent, model, workflow, team, session, user, apiKey, tags }: Selector): readonly Part[] {
  const named = (name: string, wanted: string | undefined, see: Look['see']): readonly Part[] =>
    wanted === undefined ? [] : [valued({ name, see }, wanted)]
  return [
    ...named('agent', agent, ({ principal }) => principal.agent),
    ...(model === undefined ? [] : [modelled(model)]),
    ...named('workflow', workflow, ({ principal }) => principal.workflow),
    ...named('session', session, ({ principal }) => principal.session),
    ...(apiKey === undefined ? [] : [keyed(apiKey)]),
    ...tagged({ ...tags, ...(team === undefined ? {} : { team }), ...(user === undefined ? {} : { user }) }),
  ]
}

const tagged = (tags: Readonly<Record<string, string>>): readonly Part[] =>
  Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([tag, wanted]) => valued({ name: `tag ${tag}`, see: ({ principal }) => tagOf(principal.tags, tag) }, wanted))

const tagOf = (tags: Readonly<Record<string, string>>, tag: string): string | null =>
  Object.hasOwn(tags, tag) ? (tags[tag] ?? null) : null

function valued(sees: Look, wanted: string): Part {
  return {
    sees,
    match: (spender) => {
      const value = sees.see(spender)
      if (wanted === EACH) return value ?? SUBJECT_NONE
      return value === wanted ? value : null
    },
  }
}

/** What a request shows that is sent with several keys: it counts as one of each named key, and as one without a key. */
export const SEVERAL_KEYS = '(several)'
const KEY: Look = { name: 'apiKey', see: (spender) => spender.apiKey() }

function keyed(wanted: string): Part {
  const { sees, match } = valued(KEY, wanted)
  const several = wanted === EACH ? SUBJECT_NONE : wanted
  return { sees, match: (spender) => (sees.see(spender) === SEVERAL_KEYS ? several : match(spender)) }
}

const MODEL: Look = {
  name: 'model',
  see: ({ model }) => (model === null ? null : JSON.stringify([model.provider, model.asked, model.canonical])),
}

function modelled(wanted: NonNullable<Selector['model']>): Part {
  if (wanted === EACH) return { sees: MODEL, match: ({ model }) => model?.canonical ?? SUBJECT_NONE }
  const [subject, names] = typeof wanted === 'string' ? [wanted, [wanted]] : [wanted.family, wanted.models]
  return {
    sees: MODEL,
    match: ({ model }) => (model !== null && names.some((name) => isModel(model, name)) ? subject : null),
  }
}

/** An agent that names a model otherwise does not get away from its budget: all names of a model are the same. */
const isModel = (model: SpenderModel, name: string): boolean =>
  name === model.asked || name === model.canonical || model.canonicalOf(name) === model.canonical

const escaped = (value: string, unfit: RegExp): string =>
  value.toWellFormed().replace(unfit, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)

/** One that is too long for a key is told by its beginning and its hash. */
const fitting = (subject: string): string =>
  subject.length <= SUBJECT_CHARS_MAX
    ? subject
    : `${subject.slice(0, KEPT_CHARS).toWellFormed()}~${createHash('sha256').update(subject).digest('hex').slice(0, 40)}`
