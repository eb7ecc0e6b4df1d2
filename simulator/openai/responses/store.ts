/** What the provider keeps between requests: responses, conversations, reasoning, and prefixes of prompts. */
import type { Bill, BillEntry } from '../../bill.ts'
import type { ResponseAnswer } from './answer.ts'

/** A response that was asked for, and what it goes on with. */
export interface Stored {
  readonly answer: ResponseAnswer
  /** Everything that the model saw and said, for the next one. */
  readonly items: readonly unknown[]
  readonly input: readonly unknown[]
  readonly entry: BillEntry
  status: 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'cancelled'
  background: boolean
}

/** The provider's memory of one simulator. */
export interface Store {
  readonly responses: Map<string, Stored>
  readonly conversations: Map<string, unknown[]>
  /** Tokens of reasoning by the id of its item. */
  readonly reasoning: Map<string, number>
  /** Prompts that were seen, by the hash of each of their prefixes. */
  readonly prefixes: Set<string>
}

const STORES = new WeakMap<Bill, Store>()

/** The memory of the simulator that makes this bill, as long as it lives. */
export function storeOf(bill: Bill): Store {
  const store = STORES.get(bill) ?? {
    responses: new Map(),
    conversations: new Map(),
    reasoning: new Map(),
    prefixes: new Set(),
  }
  STORES.set(bill, store)
  return store
}
