import type { Call } from '../api.ts'
import { isRecord, type Json } from '../json.ts'

/** The JSON object of a request that has a key and names a model; `null` if it was refused. */
export function readBody({ request, response, body, model, fail }: Call): (Json & { readonly model: string }) | null {
  const refuse = (status: number, message?: string): null => {
    fail(response, status, message)
    return null
  }
  if (!request.headers.authorization && !request.headers['api-key'])
    return refuse(401, "You didn't provide an API key.")
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return refuse(400, 'We could not parse the JSON body of your request.')
  }
  if (!isRecord(json)) return refuse(400, 'Expected an object.')
  const named = model ?? json.model
  if (typeof named !== 'string') return refuse(400, 'you must provide a model parameter')
  return named.startsWith('no-such-model') ? refuse(404) : { ...json, model: named }
}
