/**
 * A model check of the lease protocol (docs/budget-protocol.md): small instances are searched breadth first, step by
 * step, over a network that loses, repeats and reorders. `npm run model -- --states 3000000` searches deeper.
 */
import t from 'tap'
import { INSTANCES, MUTANTS } from './instances.ts'
import { SHIPPED } from './rules.ts'
import { search } from './search.ts'
import { told } from './told.ts'

/** As far as a test can go in seconds; what is smaller is searched to its end. */
const BOUNDS = { depth: 40, states: 12_000 }
const WITHOUT_RULE = { depth: 40, states: 150_000 }

t.test('with all rules, no small instance of the protocol violates an invariant', async (t) => {
  for (const [name, instance] of Object.entries(INSTANCES)) {
    const found = search(instance, SHIPPED, BOUNDS)
    t.equal(found.violation, null, `${name}: ${told(found)}`)
    t.ok(found.complete || found.states === BOUNDS.states, `${name} was searched`)
  }
})

t.test('with any one rule taken out, the search finds a violation, and shows the shortest way to it', async (t) => {
  t.same(MUTANTS.map(({ rule }) => rule).sort(), Object.keys(SHIPPED).sort(), 'each rule is taken out once')
  for (const { rule, instance, breaks } of MUTANTS) {
    const found = search(INSTANCES[instance], { ...SHIPPED, [rule]: false }, WITHOUT_RULE, breaks)
    t.equal(found.violation?.invariant, breaks, `without ${rule}: ${told(found)}`)
    t.comment(`without ${rule}: ${told(found)}`)
  }
})
