import type { Call } from '../api.ts'
import { positive } from '../json.ts'
import { sendPlain } from '../plain.ts'

/** A picture of one dot. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
/** What the provider bills by: tokens of text and of pictures, which its prices tell apart. Nothing here has a price. */
const USAGE = {
  input_tokens: 50,
  input_tokens_details: { text_tokens: 50, image_tokens: 0 },
  output_tokens: 272,
  output_tokens_details: { text_tokens: 0, image_tokens: 272 },
  total_tokens: 322,
}

/** Answers `POST /images/generations` (JSON) and `POST /images/edits` (a form, whose fields are not read). */
export async function handleImages(call: Call, isForm: boolean): Promise<void> {
  const { response, request, controls } = call
  if (!request.headers.authorization) {
    call.fail(response, 401, "You didn't provide an API key.")
    return
  }
  const count = isForm ? 1 : readCount(call)
  if (count === null) {
    call.fail(response, 400, "Missing required parameter: 'prompt'.", 'prompt')
    return
  }
  const answer = {
    created: Math.floor(call.now() / 1_000),
    background: 'opaque',
    data: Array.from({ length: count }, () => ({ b64_json: PIXEL })),
    output_format: 'png',
    quality: 'low',
    size: '1024x1024',
    usage: USAGE,
  }
  await sendPlain(response, JSON.stringify(answer), controls, () => JSON.stringify({ ...answer, usage: undefined }))
}

/** How many pictures are asked for; `null` if none can be. */
function readCount({ body }: Call): number | null {
  try {
    const { prompt, n } = JSON.parse(body.toString())
    return typeof prompt === 'string' ? (positive(n) ?? 1) : null
  } catch {
    return null
  }
}
