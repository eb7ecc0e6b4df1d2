import { type Edit, edit, type Fault } from './fault.ts'

const FOLDER = 'sidecar/providers/openai/responses'
const USAGE = `${FOLDER}/usage.ts`
const STREAM = `${FOLDER}/stream.ts`
const BOUND = `${FOLDER}/bound.ts`
const HOSTED = `${FOLDER}/hosted.ts`
const SEGMENTS = `${FOLDER}/segments.ts`
const CLOSE = 'sidecar/close.ts'

const fault = (test: string, name: string, only: readonly string[], edits: readonly Edit[]): Fault => ({
  name: `Responses: ${name}`,
  edits,
  test: `test/integration/responses-${test}.test.ts`,
  only,
})
const costs = (name: string, only: string, edits: readonly Edit[]): Fault =>
  fault('costs', name, ['each response costs', only], edits)
const unit = (test: string, only: readonly string[], name: string, edits: readonly Edit[]): Fault => ({
  name: `Responses: ${name}`,
  edits,
  test: `sidecar/test/responses-${test}.test.ts`,
  only,
})
const bounded = (name: string, edits: readonly Edit[]): Fault => fault('bound', name, ['never below its bill'], edits)

/** Faults of OpenAI's Responses. */
export const RESPONSES: readonly Fault[] = [
  costs(
    'cached tokens are counted twice',
    'cached tokens inside',
    edit(USAGE, 'Math.max(0, inputAll - cached - written)', 'Math.max(0, inputAll - written)'),
  ),
  costs(
    'reasoning is added to the output that holds it',
    'cached tokens inside',
    edit(USAGE, 'Math.max(0, outputAll - reasoning)', 'outputAll'),
  ),
  costs(
    'reasoning beside the output is taken for a part of it',
    'reasoning beside',
    edit(USAGE, 'isAddition(reasoning, output, input, total) ? output + reasoning : output', 'output'),
  ),
  costs(
    'cache writes cost as much as input',
    'cache writes have a price',
    edit(USAGE, 'const written = readCount(inputDetails.cache_write_tokens)', 'const written = readCount(0)'),
  ),
  costs(
    'what is written for twelve hours is counted twice',
    'twelve hours',
    edit(USAGE, 'cacheWrite5m: written - cacheWrite1h', 'cacheWrite5m: written'),
  ),
  costs(
    'searches have no fee',
    'searches of the web',
    edit(USAGE, '(counted ?? webSearches) +', '0 * (counted ?? webSearches) +'),
  ),
  costs(
    'the fast tier costs as the standard one',
    'fast',
    edit(USAGE, 'serviceTier: readServiceTier(answer.service_tier)', 'serviceTier: null'),
  ),
  fault(
    'costs',
    'a tier without a price costs as the standard one',
    ['nobody has a price', '.'],
    edit(USAGE, ': variantOf(model, answer.service_tier)', ': undefined'),
  ),
  fault(
    'costs',
    'searches in files are free',
    ['searches in files'],
    edit(USAGE, '(counted ?? webSearches) + fileSearches', '(counted ?? webSearches)'),
  ),
  unit(
    'segments',
    ['absent figures'],
    'absent figures are taken for zero',
    edit(USAGE, '(raw.input_tokens ?? null) === null || (raw.output_tokens ?? null) === null', 'raw === null'),
  ),
  unit(
    'segments',
    ['searches are counted'],
    'pages that are opened are charged as searches',
    edit(USAGE, 'isSearch(item.action)', 'isSearch(item)'),
  ),
  bounded(
    'a picture is bounded by the bytes that are left out of the length',
    edit(BOUND, 'body.images * IMAGE_TOKENS_MAX', 'body.images'),
  ),
  bounded(
    'an earlier response is bounded by the body',
    edit(
      BOUND,
      "(previous_response_id ?? null) !== null) return 'an earlier response by id'",
      '(previous_response_id ?? null) === 0) return null',
    ),
  ),
  unit(
    'bound',
    ['stands in no body'],
    'reasoning by its id is bounded by the body',
    edit(
      BOUND,
      "type === 'reasoning' && typeof part.encrypted_content !== 'string'",
      "type === 'reasoning' && type === undefined",
    ),
  ),
  unit(
    'bound',
    ['hosted tools fill'],
    'a hosted tool is bounded like one answer',
    edit(HOSTED, 'contextsMax: calls + 1', 'contextsMax: 1'),
  ),
  unit(
    'bound',
    ['hosted tools fill'],
    'the fees of hosted calls are left out of the bound',
    edit(HOSTED, 'callsMax: fee ? calls : 0 }', 'callsMax: 0 }'),
  ),
  fault(
    'sdk-errors',
    'hidden reasoning is estimated by what was seen',
    ['that its client leaves', 'hidden reasoning'],
    edit(BOUND, 'showsAllOutput(model) && json.background', 'json.background'),
  ),
  unit(
    'segments',
    ['counted once'],
    'what is told again whole is counted again',
    edit(STREAM, 'Math.max(known, count)', 'known + count').concat(
      edit(
        STREAM,
        "strings(response.output, ['response', 'output'], type)",
        "strings(response.output, ['response', 'output'], type)\n    counted(0, bytesOf(pieces), true)",
      ),
    ),
  ),
  unit(
    'segments',
    ['the last event alone'],
    'a report that comes before the end is taken for the last',
    edit(USAGE, 'isUnfinished(answer) ? null : readUsage(rawUsage)', 'readUsage(rawUsage)'),
  ),
  fault(
    'sdk-errors',
    'the whole text of a part is not redacted',
    ['redacted wherever', 'text$'],
    edit(STREAM, "const TEXTS = [\n  'text',", 'const TEXTS = ['),
  ),
  fault(
    'sdk-errors',
    'the last event is not redacted',
    ['redacted wherever', 'text$'],
    edit(
      STREAM,
      "strings(response.output, ['response', 'output'], type)",
      "strings(null, ['response', 'output'], type)",
    ),
  ),
  fault(
    'sdk-errors',
    'what a tool gives back is not read',
    ['a refusal of a response'],
    edit(SEGMENTS, "const RESULT_MEMBERS = new Set(['output', ", "const RESULT_MEMBERS = new Set(['x-output', ").concat(
      edit(SEGMENTS, "  'detail',\n", "  'detail',\n  'output',\n"),
    ),
  ),
  fault(
    'sdk-errors',
    'instructions are not read',
    ['a refusal of a response'],
    edit(SEGMENTS, "addItems(segments, 'system', ['instructions'], json.instructions)", ''),
  ),
  fault(
    'background',
    'a job is charged its bound at once',
    ['a job costs what it used', 'until then'],
    edit(CLOSE, 'if (facts.unfinished !== true) return false', 'if (facts.responseId !== null) return false'),
  ),
  fault(
    'background',
    'a job is settled by the first look, whatever it says',
    ['a job costs what it used', 'until then'],
    edit('sidecar/jobs.ts', 'facts.responseId !== null && facts.unfinished !== true', 'facts.responseId !== null'),
  ),
  fault(
    'background',
    'a job that is left while it streams is charged what was seen',
    ['a job costs what it used', 'that its client leaves'],
    edit(
      USAGE,
      'answer.background === true && isUnfinished(answer)',
      'answer.background === 1 && isUnfinished(answer)',
    ).concat(edit(BOUND, ' && json.background !== true', '')),
  ),
  fault(
    'background',
    'what a job says is judged by nobody',
    ['judged when it is asked for'],
    edit(
      'sidecar/upstream/forward.ts',
      "ask.kind === 'metered' ? ask : ask.again",
      "ask.kind === 'metered' ? ask : null",
    ),
  ),
  fault(
    'background',
    'jobs are forgotten when the sidecar ends',
    ['charged its bound at the end'],
    edit('sidecar/main.ts', "      ['jobs', jobs.endAll],\n", ''),
  ),
]
