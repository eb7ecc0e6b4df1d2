import { setMember, splice } from './json-edit.ts'
import type { MeteredRequest } from './provider.ts'

/** A request's bytes and where they go. */
export interface Addressed {
  readonly body: Buffer
  /** Path and query below the provider's base URL. */
  readonly upstreamTarget: string
}

const IN_PATH = /\/models\/[^/]+:/

/** The same request for another model of its provider; `null` where its format does not say the model as a plain name. */
export function setModel(
  { body, upstreamTarget }: Addressed,
  request: MeteredRequest,
  model: string,
): Addressed | null {
  const { json } = request
  const [path = ''] = upstreamTarget.split('?', 1)
  // Where the path names the model, the provider goes by that, whatever the body says.
  if (path.includes('/deployments/')) return null
  if (json.model === request.model && !IN_PATH.test(path))
    return { body: splice(body, [setMember(body, [], 'model', JSON.stringify(model))]), upstreamTarget }
  const named = `/models/${request.model}:`
  if (json.model !== undefined || !path.includes(named)) return null
  return { body, upstreamTarget: upstreamTarget.replace(named, `/models/${encodeURIComponent(model)}:`) }
}
