import t from 'tap'
import { simulatorFor } from '../../test/support/simulator.ts'
import { until } from '../../test/support/until.ts'
import { ask, askJson, askRaw, eventsOf } from './support/ask.ts'

const streamed = { stream: true, stream_options: { include_usage: true } }

t.test('status-NNN answers with that error in OpenAI’s words, and bills nothing', async (t) => {
  const simulator = await simulatorFor(t)
  for (const status of [400, 401, 403, 404, 409, 422, 429, 500, 503, 529]) {
    const response = await ask(simulator, {}, { fault: `status-${status}` })
    t.equal(response.status, status)
    t.match(JSON.parse(await response.text()), { error: { message: String, type: String, param: null } })
    t.equal(response.headers.get('retry-after'), status === 429 ? '1' : null)
  }
  t.equal(simulator.bill.entries().length, 0)
})

t.test('hang: nothing comes until the client leaves, while others are served', async (t) => {
  const simulator = await simulatorFor(t)
  const leaving = new AbortController()
  let answered = false
  const hanging = ask(simulator, {}, { fault: 'hang' }, leaving.signal).then(() => {
    answered = true
  })
  await until('its arrival', () => (simulator.requests().length > 0 ? true : null))
  await askJson(simulator)
  t.notOk(answered)
  leaving.abort()
  await t.rejects(hanging, { name: 'AbortError' })
})

t.test('reset-before-headers: the connection is reset', async (t) => {
  const { head, end } = await askRaw(await simulatorFor(t), {}, { fault: 'reset-before-headers' })
  t.equal(end, 'reset')
  t.equal(head, '')
})

t.test('half a stream: closed, reset, properly ended, or ended by an error event; each bills the half', async (t) => {
  const simulator = await simulatorFor(t)
  const whole = eventsOf(Buffer.concat((await askRaw(simulator, streamed)).frames).toString())
  for (const [fault, end, entryEnd] of [
    ['cut-mid-stream', 'closed', 'cut'],
    ['reset-mid-stream', 'reset', 'cut'],
    ['end-mid-stream', 'closed', 'cut'],
    ['error-event', 'closed', 'cut'],
  ] as const) {
    const answer = await askRaw(simulator, streamed, { fault })
    const events = eventsOf(Buffer.concat(answer.frames).toString())
    t.equal(answer.end, end, fault)
    t.not(events.at(-1), '[DONE]')
    if (fault === 'error-event') t.match(events.pop(), { error: { type: 'server_error' } })
    if (fault !== 'reset-mid-stream') t.equal(events.length, Math.ceil((whole.length - 2) / 2))
    const entry = await until('the entry', () => {
      const last = simulator.bill.entries().at(-1)
      return last?.ended === 'open' ? null : (last ?? null)
    })
    t.equal(entry.ended, entryEnd)
    const all = whole.at(-2).usage.completion_tokens
    t.ok(entry.consumed.output > 0 && entry.consumed.output < all, 'a part of the output')
  }
})

t.test('stall-mid-stream and stall-mid-body: half, then silence until the client leaves', async (t) => {
  const simulator = await simulatorFor(t)
  for (const [fault, chat] of [
    ['stall-mid-stream', streamed],
    ['stall-mid-body', {}],
  ] as const) {
    const leaving = new AbortController()
    const response = await ask(simulator, chat, { fault }, leaving.signal)
    const reader = response.body?.getReader()
    let text = ''
    let silent = false
    while (!silent) {
      const next = reader?.read().then(({ value }) => Buffer.from(value ?? []).toString())
      // Another request that is answered in the meantime is the clock.
      const read = await Promise.race([next, askJson(simulator).then(() => null)])
      if (typeof read === 'string') text += read
      else {
        silent = true
        leaving.abort()
        await next?.catch(() => {})
      }
    }
    t.ok(text.length > 0, fault)
    t.notMatch(text, /\[DONE\]|\}$/)
  }
})

t.test(
  'broken bodies: cut, truncated, without usage, with senseless usage, a page of something in between',
  async (t) => {
    const simulator = await simulatorFor(t)
    await t.rejects(
      ask(simulator, {}, { fault: 'cut-mid-body' }).then((response) => response.text()),
      { message: /terminated/ },
    )
    const text = async (fault: string) => (await ask(simulator, {}, { fault })).text()
    const truncated = await text('truncated-json')
    t.throws(() => JSON.parse(truncated), SyntaxError)
    t.notOk('usage' in JSON.parse(await text('no-usage')))
    t.match(JSON.parse(await text('malformed-usage')), { usage: { prompt_tokens: 'many', completion_tokens: -3 } })
    const page = await ask(simulator, {}, { fault: 'html' })
    t.equal(page.status, 200)
    t.match(page.headers.get('content-type'), 'text/html')
    const [, , , last] = eventsOf(await (await ask(simulator, streamed, { fault: 'no-usage' })).text()).reverse()
    t.equal(last.usage, null, 'a stream without its report')
    for (const { costPicoUsd } of simulator.bill.entries()) t.ok(BigInt(costPicoUsd ?? 0) > 0n, 'billed all the same')
  },
)

t.test('a control that is misspelt is refused, so that no test passes by it', async (t) => {
  const simulator = await simulatorFor(t)
  for (const controls of [
    { fault: 'hagn' },
    { fualt: 'hang' },
    { encoding: 'lzma' },
    { 'output-tokens': 'many' },
    { usage: '{' },
    { 'usage-in': 'nowhere' },
    { lines: 'cr' },
  ]) {
    const response = await ask(simulator, {}, { ...controls })
    t.equal(response.status, 400, JSON.stringify(controls))
    t.match(await response.text(), /The simulator does not understand: .*x-sim-/)
  }
})
