import { replaceValue, splice } from './json-edit.ts'
import type { SegmentEdit } from './provider.ts'
import { isRecord, readArray } from './read.ts'

/** Puts the texts of edits in place of their segments in a JSON body. @throws if one cannot be made without breaking the JSON */
export function replaceSegments(body: Buffer, edits: readonly SegmentEdit[]): Buffer {
  const json: unknown = JSON.parse(body.toString())
  return splice(
    body,
    edits.map(({ segment, text }) => {
      const isText = typeof valueAt(json, segment.path) === 'string'
      if (!isText) JSON.parse(text)
      return replaceValue(body, segment.path, isText ? JSON.stringify(text) : text)
    }),
  )
}

function valueAt(json: unknown, path: readonly (string | number)[]): unknown {
  let value = json
  for (const step of path) {
    value = typeof step === 'number' ? readArray(value)[step] : isRecord(value) ? value[step] : undefined
  }
  return value
}
