import { DETECTORS, EMPTY_ENVIRONMENT, ruleName } from '@agentcostcontrol/detectors'
import t from 'tap'
import { Coverage } from '../inspect/coverage.ts'
import { createInspections } from '../inspect/inspection.ts'
import { createDetectorSets, SegmentScanner } from '../inspect/scanner.ts'
import { parseBody } from '../providers/byte-strings.ts'
import { requestSegments } from '../providers/openai/segments.ts'
import { isRecord } from '../providers/read.ts'
import { inspectionThat, NO_SUPPRESSIONS } from './support/detectors.ts'

const { security } = inspectionThat('alert')
const inspection = createInspections(
  createDetectorSets(() => EMPTY_ENVIRONMENT),
  new Coverage(),
  NO_SUPPRESSIONS,
  () => ruleName,
)(
  {
    ...security,
    detectors: security.detectors.map((one) => ({ ...one, detectorId: 'smuggling' })),
    detectorsKey: 'smuggling',
  },
  null,
  'test',
)

/** Found as characters alone: as the bytes of them it reads like nothing. */
const EVIL = DETECTORS.find(({ id }) => id === 'smuggling')?.canary() ?? ''
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')

const fileOf = (text: string): unknown => ({
  type: 'file',
  file: { file_data: `data:text/plain;base64,${Buffer.from(text).toString('base64')}` },
})
const textOf = (text: string): unknown => ({ type: 'text', text })

/** A body that is parsed byte by byte. */
const bodyOf = (message: object, content: readonly unknown[]): Buffer =>
  Buffer.from(JSON.stringify({ model: 'é', messages: [{ ...message, content }], metadata: 'x'.repeat(9_000) }))

function segmentsOf(body: Buffer) {
  const parsed = parseBody(body)
  if (!isRecord(parsed?.json) || !parsed?.byteStrings) throw new Error('it is not parsed byte by byte')
  return requestSegments(parsed.json, () => {}).filter(({ path }) => path[0] === 'messages')
}

/** How many texts of each body something is found in, one after the other. */
function foundIn(bodies: readonly Buffer[], conversation: object | null): readonly number[] {
  const scanner = new SegmentScanner({ run: () => Promise.reject(new Error('no pool here')) }, 100)
  return bodies.map((body) => {
    const scanned = scanner.scan(segmentsOf(body), inspection, 'request', true, conversation)
    if (scanned instanceof Promise) throw new Error('no pool is needed')
    return scanned.verdicts.filter(({ length }) => length > 0).length
  })
}

t.test('a file that holds the bytes of a text as characters has no verdict for that text, nor the other way', (t) => {
  const long = [`${EVIL} ${'and so on '.repeat(100)}`]
  const short = Array.from({ length: 10 }, (_, at) => `${at} ${EVIL} ${'and so on '.repeat(20)}`)
  for (const message of [{ role: 'user' }, { role: 'system' }, { role: 'tool', tool_call_id: '1' }]) {
    for (const texts of [long, short]) {
      const clean = bodyOf(message, texts.map(bytesOf).map(fileOf))
      const evil = bodyOf(message, texts.map(textOf))
      const count = texts.length
      for (const conversation of [null, {}]) {
        t.same(foundIn([clean, evil, clean], conversation), [0, count, 0], `${count} clean first, ${message.role}`)
        t.same(foundIn([evil, clean, evil], conversation), [count, 0, count], `${count} evil first, ${message.role}`)
      }
    }
  }
  t.end()
})
