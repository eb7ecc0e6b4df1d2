import { edit, type Fault } from './fault.ts'

const EMBEDDINGS_FILE = 'sidecar/providers/openai/embeddings.ts'
const TEST = 'test/integration/openai-embeddings.test.ts'

/** Faults of OpenAI's embeddings. */
export const EMBEDDINGS: readonly Fault[] = [
  {
    name: 'embeddings: an amount of less than a micro-dollar is nothing',
    edits: edit(
      'policy/price-book.ts',
      'const pico = count(used) * byField[field]',
      'const pico = ((count(used) * byField[field]) / 1_000_000n) * 1_000_000n',
    ),
    test: TEST,
    only: ['each answer costs', 'twelve tokens'],
  },
  {
    name: 'embeddings: tokens of several texts are counted as one each',
    edits: edit(EMBEDDINGS_FILE, 'tokens += item.length', 'tokens += 1'),
    test: 'test/integration/openai-embeddings-bound.test.ts',
    only: ['never below their bill'],
  },
  {
    name: 'embeddings: a text is bounded by its characters',
    edits: edit(EMBEDDINGS_FILE, ': bodyBytes + counted', ': JSON.stringify(json.input).length / 4 + counted'),
    test: 'test/integration/openai-embeddings-bound.test.ts',
    only: ['never below their bill'],
  },
  {
    name: 'embeddings: an output is reserved that there is not',
    edits: edit(EMBEDDINGS_FILE, 'outputTokensAsked: 0', 'outputTokensAsked: null'),
    test: TEST,
    only: ['what goes wrong'],
  },
  {
    name: 'embeddings: the texts of a list are not inspected',
    edits: edit(EMBEDDINGS_FILE, 'if (!isTokens(item)) addJson', 'if (isTokens(item)) addJson'),
    test: TEST,
    only: ['what goes wrong'],
  },
  {
    name: 'pictures pass as if they were free',
    edits: edit(
      'sidecar/providers/openai/endpoints.ts',
      "  { methods: ['POST'], path: /^\\/moderations$/,",
      "  { methods: ['POST'], path: /^\\/(?:moderations|images\\/generations)$/,",
    ),
    test: 'test/integration/openai-pass-through.test.ts',
    only: ['they are refused'],
  },
]
