/** The wire form of contract/lease.ts: what a holder and the ledger of the control plane say to each other. */
import * as z from 'zod'
import { counterKey } from './lease.ts'
import { PERIOD_ID_CHARS_MAX } from './period.ts'

/** Most leases in one message; a holder with more says them in several. */
export const SYNC_ITEMS_MAX = 1_024
/** Most leases in one hello. */
export const HELLO_LEASES_MAX = 20_000
/** A holder with more leases says hello in pages of so many: the answer tells of as many. */
export const HELLO_PAGE_LEASES = 10_000
/** Longest key of a counter, in characters. */
const COUNTER_KEY_CHARS_MAX = 300 + 256 + PERIOD_ID_CHARS_MAX + 2
/** Largest body of either message, in bytes. */
export const LEASE_BYTES_MAX = 16 * 1024 * 1024

/** Nano-USD, never negative. */
export const nanoWireSchema = z.string().regex(/^\d{1,19}$/, 'expected nano-USD as a decimal integer')
const signedNano = z.string().regex(/^-?\d{1,19}$/)
const ms = z.number().min(0)
const count = z.int().min(0)
/** Far above every number of restarts, and as far below where numbers are not whole any more: the ledger adds one. */
const generation = z
  .int()
  .min(0)
  .max(2 ** 40)
/** Far above what a ledger counts to, some 2 ** 25 with each epoch at most, and far enough below where numbers end. */
const epoch = z
  .int()
  .min(0)
  .max(2 ** 50)

/**
 * Part of a counter's key. A NUL cannot be stored, and half a surrogate pair not as what it was; the other control
 * characters are no part of any name, and one of them separates the parts of a key.
 */
export const keyPartSchema = (lengthMax: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(lengthMax)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'holds a control character or half a surrogate pair')

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f]/

/** What money is counted against. */
export const counterSchema = z.strictObject({
  budgetUid: keyPartSchema(300),
  subject: keyPartSchema(256),
  periodId: keyPartSchema(PERIOD_ID_CHARS_MAX),
})

/** What a holder says when it starts, and again when the ledger's epoch is another one. */
export const leaseHelloSchema = z.strictObject({
  generation,
  continuity: z.enum(['same', 'broken']).describe('whether its state on disk can be trusted (H7)'),
  ledgerEpoch: epoch.describe('the last one that it heard of; 0 for none'),
  leases: z
    .array(
      z.strictObject({
        counter: counterSchema,
        generation,
        granted: nanoWireSchema,
        returned: nanoWireSchema,
        charged: nanoWireSchema,
      }),
    )
    .max(HELLO_LEASES_MAX),
  page: z
    .strictObject({
      after: z.string().max(COUNTER_KEY_CHARS_MAX).nullable().describe('the last key of the page before'),
      through: z
        .string()
        .max(COUNTER_KEY_CHARS_MAX)
        .nullable()
        .describe('the last key of this one; `null`: the last page'),
    })
    .exactOptional()
    .describe(
      'of a holder with very many leases: those of counters whose keys are in between, in the order of UTF-16. Each page is answered for itself, `broken` if it is not sound; the last one begins the holder',
    ),
})

/** The answer: who the holder is from now on, and its leases of that generation as the ledger has them. */
export const leaseWelcomeSchema = z.strictObject({
  generation: z.int().min(1),
  continuity: z.enum(['same', 'broken']),
  ledgerEpoch: z.int().min(1),
  nowMs: z.number().describe('the clock of the ledger, ms since the epoch'),
  leases: z.array(
    z.strictObject({
      counter: counterSchema,
      granted: nanoWireSchema,
      returned: nanoWireSchema,
      settled: nanoWireSchema,
    }),
  ),
  periods: z.array(z.strictObject({ budgetUid: z.string(), periodId: z.string() })),
})

/** What a holder tells of its leases and asks for. All amounts are cumulative, so a message may be lost or repeated. */
export const leaseSyncSchema = z.strictObject({
  generation,
  ledgerEpoch: count,
  items: z
    .array(
      z.strictObject({
        counter: counterSchema,
        granted: nanoWireSchema,
        returned: nanoWireSchema,
        charged: nanoWireSchema,
        uncharged: nanoWireSchema,
        least: nanoWireSchema,
        need: nanoWireSchema,
        want: nanoWireSchema,
        close: z.boolean(),
      }),
    )
    .min(1)
    .max(SYNC_ITEMS_MAX)
    .refine((items) => new Set(items.map(({ counter }) => counterKey(counter))).size === items.length, {
      error: 'a counter stands twice',
    }),
})

/** The answer, item by item in the same order. Durations count from sending the question. */
export const leaseSyncAnswerSchema = z.strictObject({
  ledgerEpoch: z.int().min(1),
  nowMs: z.number(),
  items: z.array(
    z.strictObject({
      granted: nanoWireSchema,
      verdict: z.enum(['granted', 'pending', 'exhausted']),
      available: signedNano,
      spent: nanoWireSchema,
      ttlMs: ms,
      retryAfterMs: ms,
    }),
  ),
})

/** A hello. */
export type LeaseHello = z.infer<typeof leaseHelloSchema>
/** The answer to it. */
export type LeaseWelcome = z.infer<typeof leaseWelcomeSchema>
/** A sync. */
export type LeaseSyncMessage = z.infer<typeof leaseSyncSchema>
/** The answer to it. */
export type LeaseSyncAnswer = z.infer<typeof leaseSyncAnswerSchema>
