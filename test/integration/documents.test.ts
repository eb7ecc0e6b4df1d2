import { DETECTORS } from '@agentcostcontrol/detectors'
import t, { type Test } from 'tap'
import { anthropicAt } from '../support/anthropic.ts'
import { geminiAt } from '../support/gemini.ts'
import { openaiAt } from '../support/sdk.ts'
import { AMPLE_BUDGET, securityYaml } from '../support/sidecar.ts'
import { type Twins, twinsFor } from '../support/twins.ts'

const SECRET = DETECTORS.find(({ id }) => id === 'secrets')?.canary() ?? ''
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0]).toString('base64')

/** One file in one request of an official client. */
interface Format {
  readonly operation: string
  /** @throws what the client throws */
  ask(url: string, tag: string, mediaType: string, data: string): Promise<unknown>
}

const chat: Format = {
  operation: 'chat.completions',
  ask: (url, tag, mediaType, data) => {
    const url64 = `data:${mediaType};base64,${data}`
    const part = mediaType.startsWith('image/')
      ? { type: 'image_url' as const, image_url: { url: url64 } }
      : { type: 'file' as const, file: { filename: 'a.txt', file_data: url64 } }
    return openaiAt(`${url}/openai/v1`, tag).chat.completions.create({
      model: 'gpt-4.1-mini',
      max_tokens: 16,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Read it.' }, part] }],
    })
  },
}

const responses: Format = {
  operation: 'responses',
  ask: (url, tag, mediaType, data) => {
    const url64 = `data:${mediaType};base64,${data}`
    const part = mediaType.startsWith('image/')
      ? { type: 'input_image' as const, image_url: url64, detail: 'auto' as const }
      : { type: 'input_file' as const, filename: 'a.txt', file_data: url64 }
    return openaiAt(`${url}/openai/v1`, tag).responses.create({
      model: 'gpt-4.1-mini',
      store: false,
      max_output_tokens: 16,
      input: [{ role: 'user', content: [part] }],
    })
  },
}

const messages: Format = {
  operation: 'messages',
  ask: (url, tag, mediaType, data) =>
    anthropicAt(`${url}/anthropic`, tag).messages.create({
      model: 'claude-sonnet-4-5',
      max_tokens: 16,
      messages: [
        {
          role: 'user',
          content: [
            mediaType.startsWith('image/')
              ? { type: 'image', source: { type: 'base64', media_type: 'image/png', data } }
              : // The client knows of PDF alone here; the bytes tell what it is.
                { type: 'document', source: { type: 'base64', media_type: mediaType as 'application/pdf', data } },
          ],
        },
      ],
    }),
}

const gemini: Format = {
  operation: 'generateContent',
  ask: (url, tag, mimeType, data) =>
    geminiAt(`${url}/google`, tag).models.generateContent({
      model: 'gemini-2.5-flash',
      contents: [{ role: 'user', parts: [{ text: 'Read it.' }, { inlineData: { mimeType, data } }] }],
      config: { maxOutputTokens: 16 },
    }),
}

const FORMATS: readonly Format[] = [chat, responses, messages, gemini]

const toldOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'answered',
    (error: unknown) => String(error),
  )

async function holds(t: Test, { sidecar, behind }: Twins): Promise<void> {
  for (const { operation, ask } of FORMATS) {
    const [clean, leaky, picture] = [`${operation}-clean`, `${operation}-leaky`, `${operation}-picture`]
    const sent = (tag: string): number => behind.requests().filter(({ rawHeaders }) => rawHeaders.includes(tag)).length
    t.equal(await toldOf(ask(sidecar.url, clean, 'text/plain', base64('Café menu: 日替わり'))), 'answered', clean)
    t.match(
      await toldOf(ask(sidecar.url, leaky, 'text/csv', base64(`name,note\n1,${SECRET}\n`))),
      /Blocked by the security policy .*secrets\//,
      leaky,
    )
    t.equal(sent(leaky), 0, 'it does not leave')
    t.equal(await toldOf(ask(sidecar.url, picture, 'image/png', PNG)), 'answered', picture)
    t.equal(await sidecar.metric('acc_scan_media_total', { format: operation, media: 'image' }), 1, 'it is counted')
    t.equal(sent(clean) + sent(picture), 2)
  }
}

for (const action of ['block', 'redact'])
  t.test(
    `a secret in a file of text is refused by ${action}, in every format that has files, and pictures go through`,
    async (t) => {
      const twins = await twinsFor(t, {
        policies: {
          'budget.yaml': AMPLE_BUDGET,
          'security.yaml': securityYaml({ request: action, extra: '  timeoutMs: 60000\n' }),
        },
      })
      await holds(t, twins)
      const events = await twins.sidecar.events(FORMATS.length * 3)
      const found = events.flatMap(({ findings, operation }) =>
        findings.map(({ detail }) => [operation, detail?.source]),
      )
      t.same(new Set(found.map(String)), new Set(FORMATS.map(({ operation }) => `${operation},user`)))
    },
  )
