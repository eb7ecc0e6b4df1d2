import { type Edit, edit, type Fault } from './fault.ts'

const ALERTS = 'control-plane/budgets/alert-repository.ts'
const SERVICE = 'control-plane/budgets/service.ts'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `API budgets: ${name}`,
    edits,
    test,
    only: [only],
  })

const api = fault('control-plane/test/budgets.test.ts')
const alerts = fault('control-plane/test/budgets-alerts.test.ts')

/** Budgets of the API, their resets, and alerts. */
export const BUDGETS_OF_API: readonly Fault[] = [
  api(
    'the last of two changes wins',
    'who changes what somebody else changed',
    edit(SERVICE, 'budgetRepository.replace(tx, written, version),', 'budgetRepository.replace(tx, written, null),'),
  ),
  api(
    'a document takes resets back',
    'a document that says fewer resets',
    edit('policy/resets.ts', 'Math.max(written + own.more, own.least)', 'written + own.more'),
  ),
  api(
    'an old folder is new with what is merged into it',
    'a budget of the API is one more file',
    edit(
      'control-plane/policies/service.ts',
      'if (!isEarlier && !(await policyRepository.wasPublished(tx, checked.revision))) return false',
      'if (!isEarlier) return false',
    ),
  ),
  alerts(
    'what is set aside counts as spent',
    'money that is set aside crosses nothing',
    edit(ALERTS, "AND (l.state = 'fenced' OR l.expires_at <= now()))`", ')`'),
  ),
  alerts(
    'an alert whose callback failed is done',
    'an alert whose process died',
    edit(ALERTS, 'WHERE handed_at IS NULL AND hand_after <= now()', 'WHERE false'),
  ),
  alerts(
    'two replicas tell the same alert',
    'what one replica is telling',
    edit(ALERTS, 'WHERE handed_at IS NULL AND hand_after <= now()', 'WHERE handed_at IS NULL'),
  ),
]
