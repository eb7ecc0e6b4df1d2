/** Request bodies of an exact size, with places that can be made unique for each request. */
import { encodeBody, type Tool, type Turn } from './encode.ts'
import type { Format } from './formats.ts'

/** A JSON body, and where in it the marks stand. */
export interface BodyTemplate {
  readonly bytes: Buffer
  /** Offsets of {@link MARK_BYTES} letters each, at least one in every text that a detector would read, but for tools. */
  readonly marks: readonly number[]
}

/** Length of one mark. */
const MARK_BYTES = 8
const MARK = '@'.repeat(MARK_BYTES)

/** Words of which no row reads like an order to a model: each request must pass all detectors. */
const WORDS = (
  'the worker reads a file and then asks for more context because its plan needs one further step before it can answer ' +
  'please compare both versions explain what changed list every function that calls this one and say whether tests cover ' +
  'café naïve résumé module server caller answer budget window retry queue stream parser handler result error value'
).split(' ')

/** A small generator of its own, so that every run sends the same conversation. */
function createProse(seed: number): (words: number) => string {
  let state = seed >>> 0
  const word = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return WORDS[(state >>> 8) % WORDS.length] ?? ''
  }
  return (words) => Array.from({ length: words }, word).join(' ')
}

function toolResult(prose: (words: number) => string, turn: number): string {
  const files = Array.from({ length: 6 }, (_, index) => ({
    path: `src/turn-${turn}/file-${index}.ts`,
    size: turn * 100 + index,
    changed: index % 2 === 0,
    excerpt: `if (value === "${prose(3)}") {\n\treturn '${prose(6)}' // → ${prose(5)}\n}`,
  }))
  return JSON.stringify({ ref: MARK, files, note: prose(40) }, null, 1)
}

function oneTurn(prose: (words: number) => string, turn: number): Turn {
  return {
    id: `call_${turn.toString().padStart(6, '0')}`,
    tool: 'read_files',
    input: { reason: `${MARK} ${prose(12)}`, depth: turn },
    result: toolResult(prose, turn),
    answer: `${MARK} ${prose(60)}\n\n- ${prose(12)}\n- ${prose(12)}`,
    question: `${MARK} ${prose(30)}: "${prose(8)}"?`,
  }
}

const TOOLS_SEED = 7

/** The same in every request: an agent whose tools change is what pins find. */
function toolDefinitions(): readonly Tool[] {
  const prose = createProse(TOOLS_SEED)
  return ['read_files', 'write_file', 'run_tests'].map((name) => ({
    name,
    description: prose(20),
    schema: {
      type: 'object',
      properties: { reason: { type: 'string', description: prose(8) }, depth: { type: 'integer' } },
      required: ['reason'],
    },
  }))
}

/** A request of exactly `bodyBytes` UTF-8 bytes in a format. Small ones have no tools. */
export function buildBody(bodyBytes: number, stream: boolean, format: Format): BodyTemplate {
  const prose = createProse(bodyBytes)
  const large = bodyBytes > 8 * 1024
  const tools = large ? toolDefinitions() : []
  const system = `${MARK} ${prose(large ? 200 : 20)}`
  const encode = (turns: readonly Turn[], padding: string): Buffer =>
    encodeBody(format, { system, turns, question: `${MARK} ${padding}`, tools, stream })
  let turns: readonly Turn[] = []
  let bytes = encode(turns, '')
  for (let turn = 0; large; turn += 1) {
    const longer = [...turns, oneTurn(prose, turn)]
    const encoded = encode(longer, '')
    if (encoded.length > bodyBytes) break
    turns = longer
    bytes = encoded
  }
  // Plain ASCII counts one byte a letter, so the last message brings the body to its exact size.
  const padding = 'Please say in a few short words what all of this means. '
    .repeat(bodyBytes / 50)
    .slice(0, bodyBytes - bytes.length)
  bytes = encode(turns, padding)
  if (bytes.length !== bodyBytes) throw new Error(`body of ${bytes.length} bytes instead of ${bodyBytes}`)
  const marks: number[] = []
  for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, at + MARK_BYTES)) marks.push(at)
  return { bytes, marks }
}

const LETTER_A = 97

/** Writes `serial` in letters at every mark of a body that begins at `offset` of `buffer`. Allocates nothing. */
export function writeMarks(buffer: Buffer, offset: number, marks: readonly number[], serial: number): void {
  for (const mark of marks) {
    let rest = serial
    for (let index = MARK_BYTES - 1; index >= 0; index -= 1) {
      buffer[offset + mark + index] = LETTER_A + (rest % 26)
      rest = Math.floor(rest / 26)
    }
  }
}
