/** Messages of a conversation that is kept (kept-heads.ts) are read once: of the next request only those that came. */
import type { Segment } from '@agentcostcontrol/contract'
import { type Media, type PassedOver, UNREAD } from './document.ts'
import { CalledTools } from './named-tool.ts'

/** Reads one message into segments. */
export type AddMessage = (message: unknown, index: number, called: CalledTools, passedOver: PassedOver) => void

/** What the messages of a conversation were read to. */
interface ReadMessages {
  /** Whose reading it is: two wire formats may have the same messages. */
  readonly format: object
  readonly messages: readonly unknown[]
  readonly segments: readonly Segment[]
  readonly called: CalledTools
  readonly media: readonly Media[]
}

/** Where the last reading of a conversation is kept. */
export interface Reading {
  last: ReadMessages | null
}

const readings = new WeakMap<readonly unknown[], Reading>()

/** Says of messages that what they are read to is kept: whoever else has one of them has all before it. */
export function keepReading(messages: readonly unknown[], reading: Reading): void {
  readings.set(messages, reading)
}

/**
 * Reads messages, or takes over what they were read to before.
 * @param format the same object for each request of a wire format
 * @param passedOver is told of files as if all were read now
 * @param add puts what it reads behind `into`
 */
export function readMessages(
  into: Segment[],
  messages: readonly unknown[],
  format: object,
  passedOver: PassedOver,
  add: AddMessage,
): void {
  const reading = passedOver === UNREAD ? undefined : readings.get(messages)
  if (!reading) {
    const called = new CalledTools()
    for (const [index, message] of messages.entries()) add(message, index, called, passedOver)
    return
  }
  const begin = into.length
  const known = reading.last && isKnown(reading.last, messages, format) ? reading.last : null
  const media: Media[] = []
  for (const one of known?.media ?? []) {
    media.push(one)
    passedOver(one)
  }
  for (const segment of known?.segments ?? []) into.push(segment)
  const from = known?.messages.length ?? 0
  if (known !== null && from === messages.length) return
  const called = known?.called.copy() ?? new CalledTools()
  for (let index = from; index < messages.length; index++) {
    add(messages[index], index, called, (one) => {
      media.push(one)
      passedOver(one)
    })
  }
  reading.last = { format, messages, segments: into.slice(begin), called, media }
}

/** Whether messages begin with those that were read: the same object as the last one is behind the same ones. */
function isKnown(last: ReadMessages, messages: readonly unknown[], format: object): boolean {
  const { length } = last.messages
  const end = last.messages[length - 1]
  return last.format === format && typeof end === 'object' && end !== null && messages[length - 1] === end
}
