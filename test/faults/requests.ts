import { edit, type Fault } from './fault.ts'

/** Faults of accepting requests of any format, and of holding their answers. */
export const REQUESTS: readonly Fault[] = [
  {
    name: 'a key that stands twice passes',
    edits: edit(
      'sidecar/identify.ts',
      'repeated === null ? parsed : ambiguous(repeated)',
      'repeated === undefined ? ambiguous("") : parsed',
    ),
    test: 'test/integration/bad-input.test.ts',
    only: ['stands twice'],
  },
  {
    name: 'a key that stands twice passes where space is behind it',
    edits: edit('sidecar/providers/repeated-keys.ts', 'skipSpaceBack(text, at - 1)', 'at - 1'),
    test: 'sidecar/test/repeated-keys.test.ts',
    only: ['is found'],
  },
  {
    name: 'connections are not bounded',
    edits: edit(
      'sidecar/server.ts',
      'const surplus = connections.size >= config.connectionsMax',
      'const surplus = false',
    ),
    test: 'test/integration/connections.test.ts',
    only: ['are bounded'],
  },
  {
    name: 'an unreadable event of a stream passes a policy that blocks',
    edits: edit('sidecar/answer/stream-filter.ts', 'if (refusal) return {', 'if (refusal && facts !== null) return {'),
    test: 'sidecar/test/stream-formats.test.ts',
    only: ['no event of it'],
  },
  {
    name: 'what is only recorded of a streamed answer is not looked for at its end',
    edits: edit('sidecar/inspect/told-texts.ts', "told.followed.text !== ''", "told.followed.text === 'no text'"),
    test: 'sidecar/test/told-texts.test.ts',
    only: ['each finding is told once'],
  },
  {
    name: 'a text between the objects of an array passes unread',
    edits: edit(
      'sidecar/providers/json-array.ts',
      'if (start === event.length || event[start] === CLOSE_ARRAY) return null',
      'if (event[start] !== OPEN_OBJECT) return null',
    ),
    test: 'sidecar/test/stream-formats.test.ts',
    only: ['no event of it'],
  },
  {
    name: 'what a free endpoint carries is not inspected',
    edits: edit(
      'sidecar/inspect/inspect-request.ts',
      "ask.kind === 'metered' ? ask : ask.carried",
      "ask.kind === 'metered' ? ask : null",
    ),
    test: 'test/integration/carried-prompts.test.ts',
    only: ['does not leave'],
  },
  {
    name: 'what is held of plain answers is not counted',
    edits: edit('sidecar/accept/client.ts', 'this.#buffered.answers += bytes', ''),
    test: 'test/integration/back-pressure.test.ts',
    only: ['nobody takes'],
  },
  {
    name: 'what a compressed answer becomes is not counted',
    edits: edit('sidecar/answer/plain.ts', 'plain !== body && !reply.hold', 'plain === body && !reply.hold'),
    test: 'test/integration/back-pressure.test.ts',
    only: ['nobody takes'],
  },
]
