import { policyProblemSchema } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import { FOLDER_STATES, REVISION_STATES } from './repository.ts'
import type { PolicyService, RevisionSummary } from './service.ts'

const instant = z.string().describe('RFC 3339')
const count = z.number().describe('a whole number')

const summary = z.object({
  generation: z.number().nullable().describe('`null` for one that was refused'),
  revision: z.string().describe('content hash of the files'),
  folderRevision: z
    .string()
    .describe(
      'the same of the folder’s files alone: another one where budgets or resets of the API are merged into them',
    ),
  madeBy: z.string().nullable().describe('which change through the API made it; `null` for one that the folder made'),
  state: z.enum(REVISION_STATES),
  seenAt: instant.describe('when it was published, or refused for the first time'),
  author: z.string().nullable().describe('of the last commit below the folder; `null` outside of git'),
  commit: z.string().nullable(),
  committedAt: instant.nullable(),
  uncommitted: z.boolean().nullable().describe('whether the files differ from that commit'),
  tests: count.describe('cases of PolicyTests, all of which passed'),
  files: count,
  problems: z.array(policyProblemSchema).describe('why it was refused; the first hundred, and ten in a list'),
  problemCount: count,
})

const revision = summary.extend({
  content: z
    .array(z.object({ path: z.string(), text: z.string() }))
    .describe('its files; of one that was refused they are not kept'),
  difference: z
    .object({
      added: z.array(z.string()),
      removed: z.array(z.string()),
      changed: z.array(z.string()),
      unified: z.string(),
      truncated: z.boolean().describe('whether files are left out of `unified`'),
    })
    .nullable()
    .describe('to the revision that was in force before'),
})

const folder = z.object({
  replica: z.string(),
  state: z
    .enum(FOLDER_STATES)
    .describe('behind: it holds an older revision than another replica’s; unreadable: it cannot be read to its end'),
  revision: z.string().nullable().describe('to be held against `folderRevision`'),
  problems: z.array(policyProblemSchema),
  seenAt: instant,
})

/** As the schema has it: arrays that may be changed. */
const shown = (row: RevisionSummary) => ({ ...row, problems: [...row.problems] })

/** Policies: what is in force, and what was. */
export function policyRoutes(api: Api, policies: PolicyService): void {
  const common = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/policies/current',
    schema: {
      summary: 'The policy in force, and what the folder of each replica holds',
      response: { 200: z.object({ inForce: summary.nullable(), folders: z.array(folder) }), ...anyOf(503) },
    },
    handler: async (request) => {
      const { inForce, folders } = await policies.current(request.admin())
      return {
        inForce: inForce === null ? null : shown(inForce),
        folders: folders.map((each) => ({ ...each, problems: [...each.problems] })),
      }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/policies/revisions',
    schema: {
      summary: 'Revisions, newest first, those that were refused among them',
      querystring: z.strictObject({
        cursor: z.string().max(200).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      response: {
        200: z.object({ revisions: z.array(summary), nextCursor: z.string().nullable() }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit } = request.query
      const page = await policies.list(request.admin(), cursor ?? null, limit)
      return { revisions: page.revisions.map(shown), nextCursor: page.nextCursor }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/policies/revisions/:revision',
    schema: {
      summary: 'A revision with its files, and what it changed',
      params: z.object({ revision: z.string().max(64).describe('a generation, or a revision in full') }),
      response: { 200: revision, ...anyOf(400, 404, 503) },
    },
    handler: async (request) => {
      const found = await policies.find(request.admin(), request.params.revision)
      const { difference } = found
      return {
        ...shown(found),
        content: [...found.content],
        difference: difference && {
          ...difference,
          added: [...difference.added],
          removed: [...difference.removed],
          changed: [...difference.changed],
        },
      }
    },
  })
}
