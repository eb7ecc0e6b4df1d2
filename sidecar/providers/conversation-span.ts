/** Finds where the messages of a request stand in its text: a conversation grows at their end. */
import { isRecord } from './read.ts'

/** Where the elements of a conversation stand. */
export interface ConversationSpan {
  /** The member that holds them. */
  readonly key: string
  /** Behind the opening bracket. */
  readonly from: number
  /** Behind the last element, which is an object. */
  readonly to: number
}

/** Members that hold a conversation, in one wire format or another. */
const CONVERSATIONS = ['messages', 'contents', 'input'] as const
/** With such names nothing in a string reads like a member, and members keep their order. */
const NAME = /^[a-z_]\w*$/i
/** So many places that look like the one are tried. */
const TRIES_MAX = 4

/**
 * The span of the conversation of a request; `null` where there is none, or it is not found at once.
 * @param text what `json` was parsed from, of which no key stands twice in one object
 */
export function conversationSpan(json: unknown, text: string): ConversationSpan | null {
  if (!isRecord(json)) return null
  const names = Object.keys(json)
  const key = CONVERSATIONS.find((name) => Array.isArray(json[name]))
  if (key === undefined || !names.every((name) => NAME.test(name))) return null
  const at = names.indexOf(key)
  const from = beginOf(text, key, at)
  const to = from === null ? null : endOf(text, names[at + 1] ?? null, names.length - at - 1)
  return from === null || to === null || to <= from ? null : { key, from, to }
}

/** Behind the opening bracket of a member with so many before it. What is read up to there tells where that is. */
function beginOf(text: string, key: string, before: number): number | null {
  const name = `"${key}"`
  let at = text.indexOf(name)
  for (let tries = 0; at !== -1 && tries < TRIES_MAX; tries++) {
    const [opening] = OPENING.exec(text.slice(at + name.length, at + name.length + SPACE_MAX)) ?? []
    const from = at + name.length + (opening?.length ?? 0)
    if (opening !== undefined) {
      const head = objectOf(`${text.slice(0, from)}]}`)
      const names = head === null ? [] : Object.keys(head)
      const value = head?.[key]
      if (names.length === before + 1 && names.at(-1) === key && Array.isArray(value) && value.length === 0) return from
    }
    at = text.indexOf(name, at + 1)
  }
  return null
}

/** Some write each member on a line of its own. */
const SPACE_MAX = 16
const OPENING = /^\s*:\s*\[/

/** Behind the last element. @param next the member behind the conversation; `null` if it is the last one */
function endOf(text: string, next: string | null, behind: number): number | null {
  if (next === null) return back(text, text.length, '}]')
  let at = text.lastIndexOf(`"${next}"`)
  for (let tries = 0; at > 0 && tries < TRIES_MAX; tries++) {
    // What is whole with one bracket in front of it stands in the outermost object.
    const tail = objectOf(`{${text.slice(at)}`)
    const names = tail === null ? [] : Object.keys(tail)
    if (names.length === behind && names[0] === next) return back(text, at, ',]')
    at = text.lastIndexOf(`"${next}"`, at - 1)
  }
  return null
}

/** In front of these characters, which stand in front of a place, with space around them; behind an object. */
function back(text: string, from: number, characters: string): number | null {
  let at = from
  for (const character of characters) {
    at = skipSpaceBack(text, at) - 1
    if (text[at] !== character) return null
  }
  at = skipSpaceBack(text, at)
  return text[at - 1] === '}' ? at : null
}

function skipSpaceBack(text: string, from: number): number {
  let at = from
  while (at > 0 && SPACE.has(text.charCodeAt(at - 1))) at--
  return at
}

const SPACE: ReadonlySet<number> = new Set([0x20, 0x0a, 0x0d, 0x09])

function objectOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}
