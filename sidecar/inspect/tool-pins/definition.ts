import { hash } from 'node:crypto'
import { CHANGED_PATH_CHARS_MAX, CHANGED_PATHS_MAX } from '@agentcostcontrol/contract'
import { isRecord } from '../../providers/read.ts'
import { addPieces, type DefinitionText } from './pieces.ts'

/** A tool's definition, as it is compared: hashes, and the names of its members. None of its text. */
export interface ToolDefinition extends DefinitionText {
  /** SHA-256, hex, of its canonical JSON: the same in every wire format and order of keys. */
  readonly hash: string
  /** Each value by its path, with a short hash. None of a definition that is too long to be read. */
  readonly leaves: ReadonlyMap<string, number>
}

/** A longer definition is compared as it was sent: reading it would hold the main thread. */
export const DEFINITION_CHARS_MAX = 32_768

/** Values of one definition that are told apart one by one; of further ones only the part that they stand in. */
const LEAVES_MAX = 256
/** Deeper values are taken as one. */
const DEPTH_MAX = 32
/** Short hashes fit in what the engine keeps without a box. */
const HASH_MASK = 0x3fffffff

/** What says how a tool is called, how it is sent or when it is loaded, and not what it is. */
const SETTINGS: ReadonlySet<string> = new Set(['cache_control', 'strict', 'defer_loading', 'eager_input_streaming'])
/** Kinds that say nothing but that it is a tool of the client. */
const PLAIN_KINDS: ReadonlySet<unknown> = new Set(['function', 'custom'])
/** Members that hold the definition itself. */
const WRAPPERS = ['function', 'custom', 'functionDeclarations', 'function_declarations']
/** One name for what the wire formats name differently. */
const NAMES: ReadonlyMap<string, string> = new Map(
  ['parameters', 'input_schema', 'inputSchema', 'parametersJsonSchema', 'parameters_json_schema', 'format'].map(
    (name) => [name, 'schema'] as const,
  ),
)
/** Members that say what a tool of the client is. One that the provider or a server runs says it nowhere in a request. */
const OWN_WORDS: readonly string[] = ['description', 'tools', ...NAMES.keys()]
/** What is held of such a tool: which it is, whose, and what the model is told of it. The rest is a request's choice. */
const HOSTED: ReadonlySet<string> = new Set([
  'type',
  'name',
  'server_label',
  'server_url',
  'server_description',
  'connector_id',
  'mcp_server_name',
  'url',
])
/** Members of a schema that are sets, in whatever order they are written. */
const SETS: ReadonlySet<string> = new Set(['required', 'enum'])

/** Reads the JSON of a definition in any of the wire formats. */
export function readDefinition(json: Readonly<Record<string, unknown>>): ToolDefinition {
  const reader = new Reader()
  const whole = reader.read(normalised(json), '$', '', 0)
  const { leaves, description, pieces } = reader
  return { hash: hash('sha256', whole), leaves, description, pieces }
}

/** A definition that is too long to be read. */
export const unreadDefinition = (text: string): ToolDefinition => ({
  hash: hash('sha256', text),
  leaves: NOTHING,
  description: NOTHING,
  pieces: NOTHING,
})

const NOTHING: ReadonlyMap<never, never> = new Map<never, never>()

/** What it says, under the names that we give it. */
function normalised(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const wrapper = WRAPPERS.find((name) => isRecord(json[name]))
  if (wrapper === undefined && isHosted(json))
    return Object.fromEntries(Object.entries(json).filter(([key, value]) => HOSTED.has(key) && value))
  const [only, ...others] = Object.entries(json)
  // As Gemini names what it hosts.
  if (wrapper === undefined && only && others.length === 0 && isRecord(only[1])) return { type: only[0] }
  const inner = wrapper === undefined ? json : json[wrapper]
  const members = new Map<string, unknown>()
  const add = (from: unknown): void => {
    if (!isRecord(from)) return
    for (const [key, value] of Object.entries(from)) {
      if (SETTINGS.has(key) || value === null || value === '' || (from === json && key === wrapper)) continue
      if (key === 'type' && PLAIN_KINDS.has(value)) continue
      let name = NAMES.get(key) ?? key
      while (members.has(name)) name = `${name}+`
      members.set(name, value)
    }
  }
  add(inner)
  if (inner !== json) add(json)
  return Object.fromEntries(members)
}

const isHosted = (json: Readonly<Record<string, unknown>>): boolean =>
  typeof json.type === 'string' && !PLAIN_KINDS.has(json.type) && !OWN_WORDS.some((word) => Object.hasOwn(json, word))

/** Writes a value as canonical JSON, and notes what it is made of on the way. */
class Reader {
  readonly leaves = new Map<string, number>()
  readonly description = new Map<number, number>()
  readonly pieces = new Map<number, number>()

  read(value: unknown, path: string, key: string, depth: number): string {
    if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return this.#leaf(value, path, key)
    if (Array.isArray(value)) {
      if (value.length === 0) return this.#leaf(value, path, key)
      const items = SETS.has(key) && value.every(isScalar) ? value.toSorted(byText) : value
      return `[${items.map((item, at) => this.read(item, `${path}[${at}]`, key, depth + 1)).join()}]`
    }
    const members = Object.entries(value).toSorted(byKey)
    if (members.length === 0) return this.#leaf(value, path, key)
    let text = ''
    for (const [name, member] of members) {
      if (key === 'properties') addPieces(this.pieces, name)
      text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${this.read(member, `${path}.${nameOf(name)}`, name, depth + 1)}`
    }
    return `{${text}}`
  }

  #leaf(value: unknown, path: string, key: string): string {
    // Formats differ in how they write the kinds of a schema: STRING and string.
    const plain = key === 'type' && typeof value === 'string' ? value.toLowerCase() : value
    const text = JSON.stringify(plain) ?? 'null'
    if (typeof plain === 'string' && !WORDLESS.has(key))
      addPieces(path === '$.description' ? this.description : this.pieces, plain)
    const short = path.slice(0, CHANGED_PATH_CHARS_MAX)
    const at = this.leaves.size < LEAVES_MAX || this.leaves.has(short) ? short : partOf(path)
    this.leaves.set(at, hashOf(text, this.leaves.get(at)))
    return text
  }
}

/** Members whose values every schema shares, and the name, which is what changes. */
const WORDLESS: ReadonlySet<string> = new Set(['type', '$schema', 'name'])

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null

const byText = (a: unknown, b: unknown): number => ((JSON.stringify(a) ?? '') < (JSON.stringify(b) ?? '') ? -1 : 1)

/** A key as it stands in a path; one that may be a text rather than a name is not told. */
const nameOf = (key: string): string => (/^[A-Za-z_$][\w$-]{0,39}$/.test(key) ? key : '?')

/** The first step of a path. */
const partOf = (path: string): string => /^\$\.[^.[]*/.exec(path)?.[0] ?? '$'

/** A short hash of a text, behind that of others. FNV-1a: it tells where two differ, not whether. */
function hashOf(text: string, before = 0x811c9dc5): number {
  let bits = before
  for (let at = 0; at < text.length; at++) bits = Math.imul(bits ^ text.charCodeAt(at), 0x01000193)
  return (bits ^ (bits >>> 15)) & HASH_MASK
}

/** Where two definitions differ: paths without any text, the whole (`$`) where nothing closer is known. */
export function changedPaths(
  before: Pick<ToolDefinition, 'leaves'>,
  after: Pick<ToolDefinition, 'leaves'>,
): readonly string[] {
  const changed: string[] = []
  for (const [path, value] of after.leaves) if (before.leaves.get(path) !== value) changed.push(path)
  for (const path of before.leaves.keys()) if (!after.leaves.has(path)) changed.push(path)
  const isKnown = changed.length > 0 && before.leaves.size > 0 && after.leaves.size > 0
  return isKnown ? changed.slice(0, CHANGED_PATHS_MAX) : ['$']
}
