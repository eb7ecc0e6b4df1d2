import { readFileSync } from 'node:fs'
import t from 'tap'
import { headerValue } from '../answer/headers.ts'
import { ERROR_CATALOGUE, renderDenial } from '../errors.ts'
import { denial } from '../exchange.ts'
import { openaiFamily } from '../providers/openai/endpoints.ts'

t.test('a refusal that stays one for longer than an SDK would wait tells it not to try again', async (t) => {
  const headersOf = (retryAfterS: number | null) => {
    const { headers } = renderDenial(
      denial('acc_budget_exceeded', 'Spent.', { retryAfterS }),
      'id',
      openaiFamily.errors,
    )
    return [headerValue(headers, 'retry-after'), headerValue(headers, 'x-should-retry')]
  }
  t.strictSame(headersOf(null), [null, 'false'])
  t.strictSame(headersOf(1), ['1', null])
  t.strictSame(headersOf(60), ['60', null])
  t.strictSame(headersOf(61), ['61', 'false'])
  t.strictSame(headersOf(43_200), ['43200', 'false'])
})

t.test('every code stands in docs/errors.md with its status', async (t) => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  for (const { code, status } of ERROR_CATALOGUE) t.match(page, `| \`${code}\` | ${status} |`)
})
