import { type Edit, edit, type Fault } from './fault.ts'

const LINK = 'control-plane/redis.ts'

const fault = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name: `redis: ${name}`,
  edits,
  test: 'control-plane/test/redis.test.ts',
  only: [only],
})

/** Redis, whose loss must make nothing wrong. */
export const REDIS: readonly Fault[] = [
  fault(
    'an answer is waited for as long as it takes',
    'while Redis is hanging',
    edit(LINK, 'Promise.race([answer, passed])', 'Promise.race([answer])'),
  ),
  fault('each request waits for it anew', 'while Redis is hanging', edit(LINK, '    resting = true\n', '')),
  fault(
    'a replica’s own limit is not asked',
    'while Redis is killed',
    edit('control-plane/rate-limit.ts', 'if (waitMs > 0) return waitMs', ''),
  ),
  fault(
    'what Redis says of a limit does not count',
    'replicas let no more',
    edit('control-plane/rate-limit.ts', "typeof shared === 'number' ? shared : 0", '0'),
  ),
  fault(
    'a wake is published before its commit',
    'a wake is published when',
    edit(
      'control-plane/db/shared-wakes.ts',
      'afterCommit(tx, () => redis.publish(wakeText(topic, orgId)))',
      'redis.publish(wakeText(topic, orgId))',
    ),
  ),
  fault(
    'a wake goes over Redis alone',
    'a wake is published when',
    edit('control-plane/db/shared-wakes.ts', '      await wakes.announce(tx, topic, orgId)\n', ''),
  ),
]
