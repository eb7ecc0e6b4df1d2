import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { ANSWERS } from '../support/answers.ts'
import { AZURE_POLICY } from '../support/azure.ts'
import { AUTH, CORPUS, PLAIN_CHAT } from '../support/corpus.ts'
import { ANTHROPIC_CORPUS } from '../support/corpus-anthropic.ts'
import { AZURE_CORPUS } from '../support/corpus-azure.ts'
import { COMPATIBLE, COMPATIBLE_CORPUS, OLLAMA_CORPUS } from '../support/corpus-compatible.ts'
import { GEMINI_CORPUS } from '../support/corpus-gemini.ts'
import { RESPONSES_CORPUS } from '../support/corpus-responses.ts'
import { OLLAMA_POLICY } from '../support/ollama.ts'
import {
  exchange,
  header,
  pairs,
  RawConnection,
  type RawMessage,
  rawUpstreamFor,
  request,
} from '../support/raw-http.ts'
import { providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

/**
 * What the sidecar may change (DESIGN.md §1, docs/lifecycle.md), in full. Everything that is not named here is compared
 * byte for byte: method, target, status, order, case and number of headers, bodies.
 */
const PERMITTED = {
  /** Fields that belong to one connection, or tell how the body is framed on it. */
  requestFields: new Set([
    'host',
    'content-length',
    'expect',
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ]),
  answerFields: new Set([
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-connection',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ]),
  /** Taken off requests and answers, added to answers. */
  ownFields: /^x-acc-/i,
  /** The member added to a stream's request that does not ask for usage. */
  askForUsage: (body: string): string => body.replace('{', '{"stream_options":{"include_usage":true},'),
  /** The length of a body out of which usage is taken. */
  hiddenUsageDropsLength: true,
}

type Fields = readonly (readonly [name: string, value: string])[]

/** The fields that are compared: those of neither set, nor named by a `Connection` field. */
function compared(fields: Fields, permitted: ReadonlySet<string>): Fields {
  const named = fields
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((part) => part.trim().toLowerCase()))
  return fields.filter(
    ([name]) =>
      !permitted.has(name.toLowerCase()) && !PERMITTED.ownFields.test(name) && !named.includes(name.toLowerCase()),
  )
}

const inTurn = (raw: readonly string[]): Fields =>
  raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : []))

const DECODE: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  deflate: inflateSync,
  zstd: zstdDecompressSync,
}

/** The body without its coding. */
const clear = (answer: RawMessage): string =>
  (DECODE[header(answer, 'content-encoding') ?? ''] ?? ((bytes: Buffer) => bytes))(answer.body).toString()

/** Holds what a client got through the sidecar against what it gets without. @param hidden usage was taken out */
function sameAnswer(t: Test, name: string, direct: RawMessage, through: RawMessage, hidden = false): void {
  const fields = (answer: RawMessage): Fields =>
    compared(pairs(answer.lines), PERMITTED.answerFields).filter(
      ([key]) => !(hidden && PERMITTED.hiddenUsageDropsLength && key.toLowerCase() === 'content-length'),
    )
  t.equal(through.start.slice('HTTP/1.x'.length), direct.start.slice('HTTP/1.x'.length), `${name}: status line`)
  t.same(fields(through), fields(direct), `${name}: headers of the answer`)
  const recoded = hidden && header(direct, 'content-encoding') !== null
  t.equal(
    recoded ? clear(through) : through.body.toString('latin1'),
    recoded ? clear(direct) : direct.body.toString('latin1'),
    `${name}: body of the answer`,
  )
  t.equal(through.complete, direct.complete, `${name}: whole or broken off`)
}

const NOW_MS = Date.UTC(2026, 10, 24, 12)

/** Every format has its corpus. */
const CASES = [
  ...CORPUS,
  ...RESPONSES_CORPUS,
  ...AZURE_CORPUS,
  ...COMPATIBLE_CORPUS,
  ...OLLAMA_CORPUS,
  ...ANTHROPIC_CORPUS,
  ...GEMINI_CORPUS,
]

t.test('requests and answers are the same with and without the sidecar', async (t) => {
  const options = { now: () => NOW_MS }
  const [direct, behind] = [await simulatorFor(t, options), await simulatorFor(t, options)]
  const sidecar = await sidecarFor(t, {
    upstream: `${behind.url}/v1`,
    env: {
      ACC_UPSTREAM_ANTHROPIC: `${behind.url}/anthropic/v1`,
      ACC_UPSTREAM_AZURE: `${behind.url}/azure`,
      ACC_UPSTREAM_OLLAMA: `${behind.url}/ollama`,
      ...Object.fromEntries(
        COMPATIBLE.map(([name]) => [`ACC_UPSTREAM_${name.toUpperCase()}`, `${behind.url}/${name}/v1`]),
      ),
      ACC_UPSTREAM_GOOGLE: `${behind.url}/google`,
    },
    policies: {
      'openai.yaml': providerYaml({ onUnbounded: 'allowCounted' }),
      'anthropic.yaml': providerYaml({ onUnbounded: 'allowCounted' }, 'anthropic'),
      'google.yaml': providerYaml({ onUnbounded: 'allowCounted' }, 'google'),
      'azure.yaml': AZURE_POLICY,
      'ollama.yaml': OLLAMA_POLICY,
    },
  })
  for (const { name, bytes, hidden = false } of CASES) {
    const [alone, through] = await Promise.all([exchange(t, direct.port, bytes), exchange(t, sidecar.port, bytes)])
    const [asked, sent] = [direct.requests().at(-1), behind.requests().at(-1)]
    t.equal(behind.requests().length, direct.requests().length, `${name}: arrived once`)
    t.equal(`${sent?.method} ${sent?.target}`, `${asked?.method} ${asked?.target}`, `${name}: method and target`)
    t.same(
      compared(inTurn(sent?.rawHeaders ?? []), PERMITTED.requestFields),
      compared(inTurn(asked?.rawHeaders ?? []), PERMITTED.requestFields),
      `${name}: headers of the request`,
    )
    const body = asked?.body.toString('latin1') ?? ''
    t.equal(sent?.body.toString('latin1'), hidden ? PERMITTED.askForUsage(body) : body, `${name}: body of the request`)
    sameAnswer(t, name, alone, through, hidden)
    t.equal(through.interim.length, alone.interim.length, `${name}: interim answers`)
  }
})

t.test('answers of every kind arrive as they were sent', async (t) => {
  const upstream = await rawUpstreamFor(t, (connection, message) => {
    const answer = ANSWERS[header(message, 'x-case') ?? '']
    connection.send(answer?.bytes ?? '')
    if (answer?.closes) connection.socket.end()
  })
  const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1` })
  for (const [name, { target, body = '', hidden = false }] of Object.entries(ANSWERS)) {
    const bytes = request(target, [AUTH, 'Content-Type: application/json', `X-Case: ${name}`], body)
    const [alone, through] = await Promise.all([exchange(t, upstream.port, bytes), exchange(t, sidecar.port, bytes)])
    sameAnswer(t, name, alone, through, hidden)
  }
})

t.test(
  'requests that follow each other on one connection, also before the answer, are answered in order',
  async (t) => {
    const [direct, behind] = [await simulatorFor(t), await simulatorFor(t)]
    const sidecar = await sidecarFor(t, { upstream: `${behind.url}/v1` })
    const targets = [
      'GET /v1/models',
      'GET /v1/models/gpt-4.1',
      'POST /v1/moderations',
      'GET /v1/models/none',
      'POST /v1/chat/completions',
    ]
    for (const pipelined of [false, true]) {
      const answers = await Promise.all(
        [direct.port, sidecar.port].map(async (port) => {
          const connection = await RawConnection.open(t, port)
          const got: RawMessage[] = []
          if (pipelined)
            connection.send(Buffer.concat(targets.map((target) => request(target, [AUTH], bodyFor(target)))))
          for (const target of targets) {
            if (!pipelined) connection.send(request(target, [AUTH], bodyFor(target)))
            got.push(await connection.answer())
          }
          return got.map(({ start, body }) => `${start} ${body.toString().replace(/"created":\d+/, '')}`)
        }),
      )
      t.same(answers[1], answers[0], pipelined ? 'pipelined' : 'one after another')
    }
  },
)

const bodyFor = (target: string): string => (target.startsWith('POST') ? PLAIN_CHAT : '')
