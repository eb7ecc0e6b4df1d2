import t from 'tap'
import { askApi, controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import { trailOf } from '../usage/trail.ts'
import type { Trail } from '../usage/trail-service.ts'
import { attempt, batchOf, charge, INSTANCE, usageEvent } from './support/events.ts'

/** 333 input tokens at the $0.40 a million of the shipped card. */
const PRICED = {
  rateCardVersion: '2026-11-10.2',
  costNanoUsd: '133200',
  costPicoUsd: { inputUncached: '133200000' },
  chargedNanoUsd: '133200',
} as const

const DECISION = {
  action: 'clamp',
  budget: 'team',
  subject: '*',
  limit_usd: '25.00',
  remaining_usd: '0.0012',
  requested_usd: '0.01',
  resets_at: '2026-11-25T00:00:00.000Z',
} as const

/** Some minutes after an hour of the past. */
const at = (minutes: number): string => new Date(Date.UTC(2026, 10, 24, 10, minutes)).toISOString()

const steps = (trail: Pick<Trail, 'steps'>): readonly string[] => trail.steps.map(({ step }) => step)

t.test('a trail has a step for what happened, in its order, and none for what did not', async (t) => {
  const finding = {
    detectorId: 'secrets',
    ruleId: 'aws-access-key-id',
    severity: 'high',
    direction: 'request',
    action: 'redact',
    mode: 'enforce',
    count: 2,
  } as const
  const event = usageEvent({
    findings: [finding, { ...finding, direction: 'response', action: 'block' }],
    clampedOutputTokens: 40,
    attempts: [attempt({ status: 500, precision: 'none' }), attempt({ provider: 'azure' })],
    charges: [charge(), charge({ budgetUid: 'Budget/each', subject: 'researcher' })],
    budgetDecision: DECISION,
    outcome: 'cut',
    code: 'acc_security_blocked',
  })
  const found = { verdict: 'equal', price: { list: 'openai', model: 'gpt-4.1-mini', foundBy: 'exact' } } as const
  const trail = trailOf(event, [{ verdict: 'notComputed', why: 'nothingBilled' }, found])
  t.same(steps({ steps: trail }), [
    'identified',
    'policy',
    'inspected',
    'decided',
    'reserved',
    'clamped',
    'routed',
    'attempted',
    'routed',
    'attempted',
    'inspected',
    'charged',
    'ended',
  ])
  t.match(trail, [
    { agent: 'researcher', workflow: 'reports', tags: { team: 'search' }, path: '/openai/v1/chat/completions' },
    { revision: 'abc' },
    { direction: 'request', findings: [{ action: 'redact', count: 2 }] },
    DECISION,
    { boundNanoUsd: '100000', from: [{ budgetUid: 'Budget/ample', periodId: 'total', generation: 1 }, {}] },
    { outputTokens: 40 },
    { attempt: 1, provider: 'openai', price: null },
    { attempt: 1, status: 500, recomputed: { why: 'nothingBilled' } },
    { attempt: 2, provider: 'azure', price: { list: 'openai', foundBy: 'exact' } },
    { attempt: 2, recomputed: { verdict: 'equal' } },
    { direction: 'response', findings: [{ action: 'block' }] },
    { charges: [{ nanoUsd: '24975' }, { subject: 'researcher' }] },
    { outcome: 'cut', code: 'acc_security_blocked', clientStatus: 200 },
  ])
  const refused = usageEvent({ attempts: [], charges: [], outcome: 'denied', code: 'acc_budget_exceeded' })
  t.same(steps({ steps: trailOf(refused, []) }), ['identified', 'policy', 'ended'])
})

t.test('what a budget did with a request is told with it, and of most requests there is nothing to tell', async (t) => {
  const plane = await controlPlaneFor(t)
  const key = plane.adminKey ?? ''
  const credential = await enrol(plane.url, key, INSTANCE)
  const refused = { attempts: [], charges: [], outcome: 'denied', code: 'acc_budget_exceeded' } as const
  const lowered = usageEvent({ attempts: [attempt(PRICED)], charges: [], budgetDecision: DECISION, intentAt: at(3) })
  const blocked = usageEvent({
    ...refused,
    intentAt: at(2),
    budgetDecision: { ...DECISION, action: 'block', subject: "a 'quoted'\tone\\n", requested_usd: null },
  })
  const passed = usageEvent({ attempts: [attempt(PRICED)], charges: [], intentAt: at(1) })
  const unknown = { ...usageEvent(refused), budgetDecision: { ...DECISION, limit_usd: 'much' } }
  const sent = await sendEvents(plane.url, credential, batchOf([lowered, blocked, passed, unknown]))
  t.match(sent.body, { stored: 3, refused: [{ seq: 4, reason: /budgetDecision.limit_usd/ }] })
  const { body } = await askApi<{ requests: readonly unknown[] }>(`${plane.url}/api/v1/requests`, key)
  t.match(body.requests, [
    { budgetDecision: DECISION },
    { budgetDecision: blocked.budgetDecision ?? {} },
    { budgetDecision: null },
  ])
  const decided = async ({ eventId, intentAt }: typeof passed) =>
    (await askApi<Trail>(`${plane.url}/api/v1/requests/${eventId}?intentAt=${intentAt}`, key)).body.steps.filter(
      ({ step }) => step === 'decided',
    )
  t.same(await decided(lowered), [{ step: 'decided', ...DECISION }])
  t.match(await decided(blocked), [{ action: 'block', requested_usd: null }])
  t.same(await decided(passed), [])
})

t.test('a request is found by its id and its time, and by its id alone where that tells its time', async (t) => {
  const plane = await controlPlaneFor(t)
  const key = plane.adminKey ?? ''
  const get = (path: string) => askApi<Trail>(`${plane.url}/api/v1/requests/${path}`, key)
  const credential = await enrol(plane.url, key, INSTANCE)
  const told = usageEvent({
    eventId: '019ab5f0-a400-7abc-8def-0123456789ab',
    intentAt: new Date(0x019ab5f0a400).toISOString(),
    attempts: [attempt(PRICED)],
    principal: { agent: null, workflow: null, session: null, task: 't', tags: {} },
  })
  const untold = usageEvent({
    intentAt: '2026-11-24T10:00:00.123Z',
    attempts: [attempt({ ...PRICED, costNanoUsd: '133201' })],
  })
  const gone = usageEvent({ intentAt: '2021-01-01T00:00:00.000Z', attempts: [attempt()] })
  await sendEvents(plane.url, credential, batchOf([told, untold, gone]))

  t.match(await get(told.eventId), {
    status: 200,
    body: {
      cost: 'equal',
      intentAt: told.intentAt,
      steps: [
        { step: 'identified', agent: null, task: 't' },
        {},
        {},
        { step: 'routed', price: { foundBy: 'exact' } },
        {},
      ],
    },
  })
  t.match(await get(`${untold.eventId}?intentAt=${untold.intentAt}`), {
    body: { cost: 'differs', steps: [{}, {}, {}, {}, { recomputed: { verdict: 'differs', costNanoUsd: '133200' } }] },
  })
  t.match(await get(`${gone.eventId}?intentAt=${gone.intentAt}`), {
    body: { cost: 'notComputed', steps: [{}, {}, {}, {}, { recomputed: { why: 'unknownCard' } }] },
  })
  t.match(await get(untold.eventId), { status: 400, body: { detail: /intentAt/ } })
  t.match(await get(`${untold.eventId}?intentAt=2026-11-24T10:00:00.124Z`), { status: 404 })
  t.match(await get('019ab5f0-a401-7abc-8def-0123456789ab'), { status: 404 })
  t.match(await get('nonsense'), { status: 400 })
})
