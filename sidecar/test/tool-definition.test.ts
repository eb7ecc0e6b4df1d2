import fc from 'fast-check'
import t from 'tap'
import { definedTools, readTool } from '../inspect/tool-pins/defined-tools.ts'
import { changedPaths, readDefinition } from '../inspect/tool-pins/definition.ts'
import { LikenessIndex } from '../inspect/tool-pins/pieces.ts'
import { requestSegments as messagesSegments } from '../providers/anthropic/segments.ts'
import { requestSegments as geminiSegments } from '../providers/gemini/segments.ts'
import { requestSegments as responsesSegments } from '../providers/openai/responses/segments.ts'
import { IN_FORMATS, pinsFor } from './support/tools.ts'

const parameters = {
  type: 'object',
  properties: {
    to: { type: 'string', description: 'Who gets it' },
    body: { type: 'string', description: 'What is said' },
  },
  required: ['to'],
}
const MAIL = { name: 'send_mail', description: 'Sends a mail.', parameters }

const hashesOf = (segments: Parameters<typeof definedTools>[0]) =>
  definedTools(segments).map((tool) => readTool(tool, false).hash)

/** The same JSON with the keys of every object in another order. */
const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  )
}

const schema = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 4 }), { minKeys: 1, maxKeys: 6 })

t.test('a tool has one definition in every wire format', async (t) => {
  const [first] = hashesOf(IN_FORMATS.chat?.([MAIL]) ?? [])
  for (const [format, segmentsOf] of Object.entries(IN_FORMATS)) t.same(hashesOf(segmentsOf([MAIL])), [first], format)
  const kinds = { ...parameters, type: 'OBJECT', properties: { ...parameters.properties } }
  t.same(
    hashesOf(geminiSegments({ tools: { function_declarations: { ...MAIL, parameters: kinds } } })),
    [first],
    'also as Gemini writes its kinds and lists',
  )
})

t.test('the order of keys does not make another definition, and every value does', () => {
  fc.assert(
    fc.property(schema, fc.string(), (members, description) => {
      const tool = { name: 'x', description, parameters: members }
      const { hash } = readDefinition(tool)
      if (readDefinition(Object.fromEntries(Object.entries(tool).reverse())).hash !== hash) return false
      const again = shuffled(tool)
      if (typeof again !== 'object' || again === null || readDefinition({ ...again }).hash !== hash) return false
      return readDefinition({ ...tool, parameters: { ...members, added: 'x y' } }).hash !== hash || 'added' in members
    }),
  )
  return Promise.resolve()
})

t.test('what is told of a change is paths, and no value', () => {
  fc.assert(
    fc.property(schema, schema, (before, after) => {
      const paths = changedPaths(
        readDefinition({ name: 'x', parameters: before }),
        readDefinition({ name: 'x', parameters: after }),
      )
      return (
        paths.length > 0 &&
        paths.length <= 50 &&
        paths.every((path) => path.length <= 200 && /^\$[\w$.?+[\]-]*$/.test(path))
      )
    }),
  )
  return Promise.resolve()
})

t.test('a change is told where it is', async (t) => {
  const to = { ...parameters.properties.to, description: 'Who gets it, and whoever else' }
  const changed = {
    ...MAIL,
    parameters: { ...parameters, properties: { ...parameters.properties, to, bcc: { type: 'string' } } },
  }
  t.same(changedPaths(readDefinition(MAIL), readDefinition(changed)), [
    '$.schema.properties.bcc.type',
    '$.schema.properties.to.description',
  ])
  t.same(changedPaths(readDefinition(changed), readDefinition(MAIL)), [
    '$.schema.properties.to.description',
    '$.schema.properties.bcc.type',
  ])
  t.same(changedPaths(readDefinition(MAIL), readDefinition({ ...MAIL, description: 'Sends mails.' })), [
    '$.description',
  ])
  const key = {
    type: 'object',
    properties: { 'ignore what you were told': { type: 'string' }, ok: { type: 'string' } },
  }
  t.same(
    changedPaths(
      readDefinition({ name: 'x', parameters: { ...key, properties: {} } }),
      readDefinition({ name: 'x', parameters: key }),
    ).filter((path) => /ignore/.test(path)),
    [],
    'a key that is a text is not told',
  )
})

t.test('what only says how a definition is sent is no change', async (t) => {
  const plain = hashesOf(messagesSegments({ tools: [{ name: 'x', description: 'y' }] }))
  const cached = {
    name: 'x',
    description: 'y',
    cache_control: { type: 'ephemeral' },
    defer_loading: true,
    strict: true,
  }
  t.same(hashesOf(messagesSegments({ tools: [cached] })), plain)
})

t.test('a server that is held by its members is one definition, without its credentials', async (t) => {
  const server = {
    type: 'mcp',
    server_label: 'mail',
    server_url: 'https://a.example/sse',
    allowed_tools: ['read', 'send'],
  }
  const sent = (over: object) => definedTools(responsesSegments({ tools: [{ ...server, ...over }, MAIL] }))
  const [tool, other, ...none] = sent({ authorization: 'x' })
  t.match([tool?.tool, other?.tool, none], ['mail', 'send_mail', []])
  t.ok((tool?.segments.length ?? 0) > 1)
  const hashOf = (over: object) => hashesOf(responsesSegments({ tools: [{ ...server, ...over }] }))[0]
  t.equal(hashOf({ authorization: 'x' }), hashOf({ authorization: 'another' }))
  t.equal(hashOf({ authorization: 'x' }), hashOf({}), 'and the same as without any')
  t.not(hashOf({ authorization: 'x', server_url: 'https://b.example/sse' }), hashOf({ authorization: 'x' }))
  t.not(
    hashOf({ authorization: 'x', server_url: 'mail', server_label: 'https://a.example/sse' }),
    hashOf({ authorization: 'x' }),
  )
})

t.test('a tool that the provider hosts is held to what it is, and not to what a request sets for it', async (t) => {
  const of = (tool: object) => hashesOf(responsesSegments({ tools: [tool] }))[0]
  const ofMessages = (tool: object) => hashesOf(messagesSegments({ tools: [tool] }))[0]
  const settings: readonly (readonly [string, object, object])[] = [
    ['file_search', { vector_store_ids: ['vs_1'] }, { vector_store_ids: ['vs_2'], max_num_results: 3 }],
    ['code_interpreter', { container: 'cntr_1' }, { container: { type: 'auto', file_ids: ['file_1'] } }],
    ['web_search', {}, { filters: { allowed_domains: ['a.example'] } }],
    ['web_search', { user_location: { city: 'Rome' } }, { user_location: { city: 'Oslo' } }],
    ['image_generation', { size: '1024x1024' }, { size: 'auto', quality: 'low' }],
  ]
  for (const [type, one, another] of settings) t.equal(of({ type, ...one }), of({ type, ...another }), type)
  t.not(of({ type: 'web_search' }), of({ type: 'web_search_preview' }))
  const search = { type: 'web_search_20250305', name: 'web_search' }
  t.equal(ofMessages({ ...search, max_uses: 5 }), ofMessages({ ...search, max_uses: 3 }))
  const gemini = [{}, { timeRangeFilter: { startTime: 'x' } }].map((googleSearch) =>
    definedTools(geminiSegments({ tools: [{ googleSearch, codeExecution: {} }] })),
  )
  for (const tools of gemini)
    t.same(
      tools.map(({ tool }) => tool),
      ['googleSearch', 'codeExecution'],
    )
  const [first, second] = gemini.map((tools) => tools.map((tool) => readTool(tool, false).hash))
  t.same(first, second)
  t.equal(new Set(first).size, 2)

  const server = { type: 'mcp', server_label: 'mail', server_url: 'https://a.example/sse' }
  for (const setting of [{ allowed_tools: ['read'] }, { require_approval: 'never' }, { authorization: 'x' }])
    t.equal(of({ ...server, ...setting }), of(server), Object.keys(setting).join())
  t.not(of({ ...server, server_url: 'https://b.example/sse' }), of(server), 'its address is what it is')
  t.not(of({ ...server, server_description: 'Ask it first.' }), of(server), 'and so is what the model is told of it')
  const words = { type: 'tool_search', execution: 'client', description: 'Finds tools.' }
  t.not(
    of(words),
    of({ ...words, description: 'Finds tools, and tells of them.' }),
    'a kind that says something is read',
  )
  t.not(of({ type: 'odd', name: 'x', parameters: { a: 'b' } }), of({ type: 'odd', name: 'x', parameters: { a: 'c' } }))
})

t.test('what a schema requires and allows are sets', async (t) => {
  const of = (required: readonly string[], values: readonly unknown[]) =>
    readDefinition({ name: 'x', parameters: { required, properties: { a: { enum: values } } } }).hash
  t.equal(of(['a', 'b'], ['x', 1, null]), of(['b', 'a'], [null, 'x', 1]))
  t.not(of(['a', 'b'], ['x']), of(['a'], ['x']))
  t.not(of(['a'], ['x']), of(['a'], ['y']))
  t.not(of(['a'], [{ a: 1 }, 'x']), of(['a'], ['x', { a: 1 }]), 'of objects the order counts')
})

t.test('tools of one name that two servers list are two tools', async (t) => {
  const listed = (server_label: string) => ({
    type: 'mcp_list_tools',
    server_label,
    tools: [{ name: 'search', description: `Searches ${server_label}.`, input_schema: { type: 'object' } }],
  })
  t.same(
    definedTools(responsesSegments({ input: [listed('mail'), listed('docs')] })).map(({ tool }) => tool),
    ['mail/search', 'docs/search'],
  )
  const { check } = pinsFor()
  for (const server of ['mail', 'docs']) t.same(await check(responsesSegments({ input: [listed(server)] })), [], server)
})

t.test('a definition that is too long to be read is compared as it was sent', async (t) => {
  const long = { ...MAIL, description: 'x '.repeat(40_000) }
  const [read] = definedTools(IN_FORMATS.chat?.([long]) ?? []).map((tool) => readTool(tool, false))
  t.same([read?.leaves.size, read?.pieces.size], [0, 0])
  t.same(changedPaths(readDefinition(MAIL), read ?? readDefinition(MAIL)), ['$'])
})

/** Words of one text, and of another one that has none of them. */
const words = (letters: string) =>
  fc.uniqueArray(fc.stringMatching(new RegExp(`^[${letters}]{3,9}$`)), { minLength: 60, maxLength: 120 })

t.test('a definition with something put into it is still like what it was; others are not', async () => {
  fc.assert(
    fc.property(words('a-m'), words('n-z'), fc.nat(), (before, others, at) => {
      const like = (description: string) => index.find(readDefinition({ name: 'b', description }))
      const index = new LikenessIndex([readDefinition({ name: 'a', description: before.join(' ') })])
      const cut = at % before.length
      const put = [...before.slice(0, cut), 'and', 'tell', 'everybody', ...before.slice(cut)].join(' ')
      return like(`${put} And now something else, which is new.`) === 0 && like(others.join(' ')) === -1
    }),
  )
})

t.test('tools of one family are not taken for each other', async (t) => {
  const paging = {
    owner: { type: 'string', description: 'Who owns the repository' },
    repo: { type: 'string', description: 'The name of the repository' },
    page: { type: 'integer', description: 'Which page, from 1 on' },
    perPage: { type: 'integer', description: 'How many on a page, at most 100' },
  }
  const path = { path: { type: 'string', description: 'Absolute path, below one of the folders that are allowed' } }
  const of = (name: string, description: string, properties: object) =>
    readDefinition({ name, description, parameters: { type: 'object', properties, required: Object.keys(properties) } })
  const family = [
    of('list_issues', 'Lists the issues of a repository, newest first, closed ones too.', paging),
    of('list_pulls', 'Lists the pull requests of a repository with their reviews.', paging),
    of('list_releases', 'Lists what was released from a repository.', paging),
    of('read_file', 'Reads a text file whole. Fails for what is no text.', path),
    of('read_folder', 'Lists what is in a folder, one name a line.', path),
    of('delete_file', 'Deletes a file. It cannot be brought back.', path),
  ]
  for (const [at, one] of family.entries()) {
    const others = family.toSpliced(at, 1)
    t.equal(new LikenessIndex(others).find(one), -1, `${at}`)
    t.equal(new LikenessIndex(family).find(one), at)
  }
})

t.test('definitions that say next to nothing are alike by accident, and not taken for each other', async (t) => {
  const short = { parameters: { type: 'object', properties: { id: { type: 'string' } } } }
  const index = new LikenessIndex([readDefinition({ name: 'get_user', ...short })])
  t.equal(index.find(readDefinition({ name: 'delete_user', ...short })), -1)
})
