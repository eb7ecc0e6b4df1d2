/**
 * Reads YAML that nobody vouches for: bounded in size, documents and depth, without aliases, tags, merge keys or keys
 * that are not text. What is left is a tree of maps, lists and scalars, each with its place in the file.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  Parser,
  visit,
  type YAMLMap,
} from 'yaml'
import type { PolicyFile, PolicyProblem } from './types.ts'

/** The largest policy file, in UTF-16 code units. */
const FILE_CHARS_MAX = 256 * 1024
/** The most documents in one file. */
const DOCUMENTS_MAX = 500
/** The deepest nesting of maps and lists; policy documents need less than ten. */
const DEPTH_MAX = 32

const TOO_DEEP = `maps and lists are nested deeper than ${DEPTH_MAX} levels`
/** The most problems that one file is told; the first ones are those that matter. */
export const PROBLEMS_MAX = 50

/** One document that is well-formed, with what is needed to say where something stands in it. */
export interface YamlDocument {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
}

/** The documents of a file, and everything that keeps one from being used. Empty documents are left out. */
export interface YamlResult {
  readonly documents: readonly YamlDocument[]
  readonly problems: readonly PolicyProblem[]
}

/** Reads a file. Never throws for what the file says. */
export function readYaml(file: PolicyFile): YamlResult {
  const problem = (line: number, message: string): PolicyProblem => ({ file: file.path, line, path: '', message })
  const refused = (line: number, message: string): YamlResult => ({ documents: [], problems: [problem(line, message)] })
  if (file.text.length > FILE_CHARS_MAX)
    return refused(1, `the file is larger than ${FILE_CHARS_MAX / 1024} KiB: split it`)

  const lines = new LineCounter()
  const tokens = [...new Parser(lines.addNewLine).parse(file.text)]
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  const deep = tooDeep(tokens)
  if (deep !== null) return refused(lineAt(deep), TOO_DEEP)
  if (tokens.filter((token) => token.type === 'document').length > DOCUMENTS_MAX)
    return refused(1, `the file holds more than ${DOCUMENTS_MAX} documents: split it`)

  const documents: YamlDocument[] = []
  const problems: PolicyProblem[] = []
  // Keys are compared in forbidden(): the parser compares each with each, which takes it 19 s for a file of this size.
  const composer = new Composer({ version: '1.2', schema: 'core', merge: false, uniqueKeys: false, logLevel: 'silent' })
  for (const document of composer.compose(tokens)) {
    const errors = document.errors.map((error) => ({
      offset: error.pos[0],
      message: mended(error.code, error.message),
    }))
    const found = errors.length > 0 ? errors : forbidden(document)
    for (const { offset, message } of found.slice(0, PROBLEMS_MAX - problems.length))
      problems.push(problem(lineAt(offset), message))
    if (found.length === 0 && !isEmpty(document)) documents.push({ file: file.path, document, lines })
  }
  return { documents, problems }
}

const isEmpty = ({ contents }: Document): boolean =>
  contents === null || (isScalar(contents) && contents.value === null)

/** The parser's messages name the place again and leave out the remedy for the mistakes that people make most. */
function mended(code: string, message: string): string {
  const [first = message] = message.replace(/ at line \d+, column \d+:?[\s\S]*$/, '').split('\n')
  if (code === 'TAB_AS_INDENT') return 'indent with spaces: YAML allows no tabs'
  return `not valid YAML: ${first}`
}

/** The offset of the first collection that is nested too deeply; without recursion, since this is what guards it. */
function tooDeep(tokens: readonly CST.Token[]): number | null {
  const open = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next; next = open.pop()) {
    const { token, depth } = next
    if (depth > DEPTH_MAX) return token.offset
    for (const child of childrenOf(token)) open.push({ token: child, depth: depth + 1 })
  }
  return null
}

function childrenOf(token: CST.Token): readonly CST.Token[] {
  if (token.type === 'document') return token.value ? [token.value] : []
  if (token.type !== 'block-map' && token.type !== 'block-seq' && token.type !== 'flow-collection') return []
  return token.items.flatMap((item) => [item.key, item.value].filter((child) => child !== undefined && child !== null))
}

interface Forbidden {
  readonly offset: number
  readonly message: string
}

/** Everything of YAML that a policy has no use for and that could mean something else than it seems to. */
function forbidden(document: Document): readonly Forbidden[] {
  const found: Forbidden[] = []
  const { version, explicit = false } = document.directives?.yaml ?? { version: '1.2' }
  if (explicit && version !== '1.2') found.push({ offset: 0, message: 'write YAML 1.2: leave the %YAML directive out' })
  visit(document, (_, node) => {
    if (isMap(node)) found.push(...wrongKeys(node))
    if (isAlias(node)) {
      found.push({
        offset: offsetOf(node),
        message: `the alias *${node.source.slice(0, 40)} is not allowed: write its value out`,
      })
    } else if (isNode(node) && node.tag !== undefined) {
      found.push({
        offset: offsetOf(node),
        message: `the tag ${shortTag(node.tag)} is not allowed: leave it out, and quote what is text`,
      })
    }
  })
  return found
}

function wrongKeys(map: YAMLMap): readonly Forbidden[] {
  const found: Forbidden[] = []
  const seen = new Set<string>()
  for (const { key } of map.items) {
    if (isAlias(key)) continue
    const offset = offsetOf(key)
    if (!isScalar(key) || typeof key.value !== 'string') {
      found.push({ offset, message: 'a key has to be text: quote it' })
    } else if (key.value === '__proto__') {
      found.push({ offset, message: 'the key `__proto__` is not allowed: take it out' })
    } else if (seen.has(key.value)) {
      found.push({ offset, message: `the key \`${key.value}\` stands here a second time: keep one of them` })
    } else seen.add(key.value)
    if (found.length >= PROBLEMS_MAX) break
  }
  return found
}

const shortTag = (tag: string): string => tag.replace('tag:yaml.org,2002:', '!!')
const offsetOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0)
