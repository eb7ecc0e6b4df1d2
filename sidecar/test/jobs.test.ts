import t from 'tap'
import { createJobs, JOB_MS_MAX, JOBS_MAX } from '../jobs.ts'
import type { AnswerFacts } from '../providers/provider.ts'
import { FakeTime } from './support/fake-time.ts'
import { NO_FACTS } from './support/stages.ts'

const factsOf = (responseId: string, more: Partial<AnswerFacts> = {}): AnswerFacts => ({
  ...NO_FACTS,
  responseId,
  ...more,
})

t.test('a job ends once: with what is told of it first', (t) => {
  const jobs = createJobs(new FakeTime())
  const ends: unknown[] = []
  t.ok(jobs.hold('openai', 'resp_1', (facts) => ends.push(facts)))
  jobs.tell('openai', factsOf('resp_1', { unfinished: true }))
  jobs.tell('openai', factsOf('resp_2'))
  jobs.tell('xai', factsOf('resp_1'))
  jobs.tell('openai', NO_FACTS)
  t.strictSame(ends, [], 'not with what is said of another one, or while it is still being made')
  const facts = factsOf('resp_1')
  jobs.tell('openai', facts)
  jobs.tell('openai', facts)
  jobs.endAll()
  t.strictSame(ends, [facts])
  t.equal(jobs.count, 0)
  t.end()
})

t.test('a job of which nobody is told ends after an hour, or when the sidecar does', (t) => {
  const time = new FakeTime()
  const jobs = createJobs(time)
  const ends: string[] = []
  jobs.hold('openai', 'early', () => ends.push('early'))
  time.pass(JOB_MS_MAX - 1)
  jobs.hold('openai', 'late', () => ends.push('late'))
  t.strictSame(ends, [])
  time.pass(1)
  t.strictSame(ends, ['early'])
  jobs.endAll()
  time.pass(JOB_MS_MAX)
  t.strictSame(ends, ['early', 'late'])
  t.end()
})

t.test('no more jobs are held than may be, and none twice', (t) => {
  const jobs = createJobs(new FakeTime())
  t.ok(jobs.hold('openai', 'twice', () => {}))
  t.notOk(jobs.hold('openai', 'twice', () => {}))
  for (let count = 1; count < JOBS_MAX; count++) t.ok(jobs.hold('openai', `resp_${count}`, () => {}))
  t.notOk(jobs.hold('openai', 'one too many', () => {}))
  t.equal(jobs.count, JOBS_MAX)
  jobs.endAll()
  t.ok(jobs.hold('openai', 'room again', () => {}))
  t.end()
})
