import { NO_USAGE } from '@agentcostcontrol/contract'
import t from 'tap'
import { readUsage } from '../providers/openai/usage.ts'

t.test('cached, cache-write and reasoning tokens are parts of their whole and are counted once', async (t) => {
  t.same(
    readUsage({
      prompt_tokens: 1000,
      completion_tokens: 300,
      total_tokens: 1300,
      prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 100, audio_tokens: 50 },
      completion_tokens_details: {
        reasoning_tokens: 120,
        audio_tokens: 30,
        accepted_prediction_tokens: 5,
        rejected_prediction_tokens: 7,
      },
    }),
    {
      ...NO_USAGE,
      inputUncached: 250,
      cacheRead: 600,
      cacheWrite5m: 100,
      audioInput: 50,
      outputVisible: 150,
      outputReasoning: 120,
      audioOutput: 30,
    },
  )
})

t.test('reasoning that the total counts beside the completion is an addition', async (t) => {
  const usage = readUsage({
    prompt_tokens: 10,
    completion_tokens: 20,
    total_tokens: 130,
    completion_tokens_details: { reasoning_tokens: 100 },
  })
  t.equal(usage?.outputVisible, 20)
  t.equal(usage?.outputReasoning, 100)
})

t.test('reasoning larger than the completion can only be an addition, also without a total', async (t) => {
  const usage = readUsage({
    prompt_tokens: 10,
    completion_tokens: 20,
    completion_tokens_details: { reasoning_tokens: 100 },
  })
  t.equal(usage?.outputVisible, 20)
  t.equal(usage?.outputReasoning, 100)
})

t.test('absent is not zero: no usage, a null one and one that makes no sense give nothing', async (t) => {
  for (const raw of [
    null,
    undefined,
    {},
    { prompt_tokens: null },
    { prompt_tokens: -1, completion_tokens: 1 },
    { prompt_tokens: 1.5 },
    { prompt_tokens: '3' },
    'x',
    [],
  ]) {
    t.equal(readUsage(raw), null)
  }
  t.same(readUsage({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }), NO_USAGE)
})

t.test('null details, as some providers send them, are read as absent', async (t) => {
  t.equal(
    readUsage({ prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: null, completion_tokens_details: null })
      ?.inputUncached,
    5,
  )
  t.equal(
    readUsage({ prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: null } })
      ?.inputUncached,
    5,
  )
})
