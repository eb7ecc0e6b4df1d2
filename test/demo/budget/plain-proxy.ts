/**
 * A gateway as it is usually built, in a process of its own: looks at what was spent, forwards, and adds what an answer
 * cost when it is there. `PLAIN_COUNTER_URL` names the PostgreSQL that holds the counter; without it each process counts
 * in its memory.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { RateCard } from '@agentcostcontrol/contract'
import { connectAsOwner } from '../../../control-plane/db/database.ts'
import { inCheckout } from '../../support/paths.ts'

/** What was spent of the one budget, in nano-USD. */
interface SpendCounter {
  spent(): Promise<bigint>
  add(nano: bigint): Promise<void>
}

const { PLAIN_UPSTREAM = '', PLAIN_LIMIT_NANO_USD = '0', PLAIN_COUNTER_URL } = process.env
const LIMIT = BigInt(PLAIN_LIMIT_NANO_USD)
const CARD: RateCard = JSON.parse(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
const PRICES = new Map(
  CARD.models
    .filter(({ provider, effectiveTo }) => provider === 'openai' && effectiveTo === null)
    .map(({ model, rates }) => [model, rates]),
)
const ADD_ATTEMPTS = 50
const ADD_AGAIN_MS = 200

function inMemory(): SpendCounter {
  let spent = 0n
  return {
    spent: async () => spent,
    add: async (nano) => {
      spent += nano
    },
  }
}

function shared(url: string): SpendCounter {
  const sql = connectAsOwner(url)
  return {
    spent: async () => {
      const [row] = await sql<{ spent: string }[]>`SELECT spent::text FROM public.plain_counter`
      return BigInt(row?.spent ?? 0)
    },
    add: async (nano) => {
      for (let attempt = 1; ; attempt++)
        try {
          await sql`UPDATE public.plain_counter SET spent = spent + ${String(nano)}::bigint`
          return
        } catch (error) {
          if (attempt === ADD_ATTEMPTS) throw error
          await pause(ADD_AGAIN_MS)
        }
    },
  }
}

const counter = PLAIN_COUNTER_URL === undefined ? inMemory() : shared(PLAIN_COUNTER_URL)

/** What an answer cost by its usage report, rounded up; 0 without one. */
function costOf(model: string, answer: string): bigint {
  const usage = /"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+)/.exec(answer)
  const rates = PRICES.get(model)
  if (!usage || !rates) return 0n
  const pico = BigInt(usage[1] ?? 0) * BigInt(rates.input) + BigInt(usage[2] ?? 0) * BigInt(rates.output)
  return (pico + 999n) / 1_000n
}

async function textOf(stream: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of stream) text += String(part)
  return text
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'x-acc-code': code }).end()
}

async function answer(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await textOf(asked)
  let spent: bigint
  try {
    spent = await counter.spent()
  } catch {
    refuse(response, 503, 'counter_unavailable')
    return
  }
  if (spent >= LIMIT) {
    refuse(response, 429, 'acc_budget_exceeded')
    return
  }
  const { host: _, ...headers } = asked.headers
  const sent = request(`${PLAIN_UPSTREAM}${asked.url}`, { method: 'POST', headers }, (answered) => {
    let text = ''
    response.writeHead(answered.statusCode ?? 502, answered.headers)
    answered.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    answered.once('end', () => void counter.add(costOf(String(JSON.parse(body).model), text)).catch(() => {}))
    answered.pipe(response)
  })
  sent.once('error', () => response.destroy())
  response.once('close', () => sent.destroy())
  sent.end(body)
}

const server = createServer((asked, response) => void answer(asked, response).catch(() => response.destroy()))
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  process.stdout.write(`${JSON.stringify({ listening: `http://127.0.0.1:${port}` })}\n`)
})
process.once('disconnect', () => process.exit())
