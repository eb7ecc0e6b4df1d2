import { setMember, splice } from './json-edit.ts'
import type { MeteredRequest } from './provider.ts'

/** A request's bytes and where they go. */
export interface Addressed {
  readonly body: Buffer
  /** Path and query below the provider's base URL. */
  readonly upstreamTarget: string
}

/** Where a request says which model it is for. */
type ModelPlace = 'body' | 'path'

const IN_PATH = /\/models\/[^/]+:/

/** Where it says that as a plain name; `null` if it does not, or not in one place alone. */
export function modelPlace(upstreamTarget: string, { json, model }: MeteredRequest): ModelPlace | null {
  const [path = ''] = upstreamTarget.split('?', 1)
  // Where the path names the model, the provider goes by that, whatever the body says.
  if (path.includes('/deployments/')) return null
  if (IN_PATH.test(path)) return json.model === undefined && path.includes(named(model)) ? 'path' : null
  return json.model === model ? 'body' : null
}

/** The same request for another model of its provider; `null` where {@link modelPlace} finds none. */
export function setModel(
  { body, upstreamTarget }: Addressed,
  request: MeteredRequest,
  model: string,
): Addressed | null {
  switch (modelPlace(upstreamTarget, request)) {
    case null:
      return null
    case 'body':
      return { body: splice(body, [setMember(body, [], 'model', JSON.stringify(model))]), upstreamTarget }
    case 'path':
      return { body, upstreamTarget: upstreamTarget.replace(named(request.model), named(encodeURIComponent(model))) }
  }
}

const named = (model: string): string => `/models/${model}:`
