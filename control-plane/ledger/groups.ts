/** Questions of one kind that arrive while others are being answered are answered together, a group at a time. */
export interface GroupsOptions<Question, Answer> {
  /** Answers a group, in its order. If that fails for several at once, each is answered alone. */
  answer(key: string, questions: readonly Question[]): Promise<readonly Answer[]>
  /** How much of a group a question is. */
  sizeOf(question: Question): number
  /** Largest group; a question that is larger is a group of its own. */
  sizeMax: number
  /** Groups of one key that are under way at once. */
  groupsMax: number
}

interface Waiting<Question, Answer> {
  readonly question: Question
  resolve(answer: Answer): void
  reject(reason: unknown): void
}

interface Queue<Question, Answer> {
  waiting: Waiting<Question, Answer>[]
  running: number
  due: boolean
}

/** Makes the way to ask: a question is only ever grouped with others of its key. */
export function createGroups<Question, Answer>({
  answer,
  sizeOf,
  sizeMax,
  groupsMax,
}: GroupsOptions<Question, Answer>): (key: string, question: Question) => Promise<Answer> {
  type Group = readonly Waiting<Question, Answer>[]
  const queues = new Map<string, Queue<Question, Answer>>()

  function take(queue: Queue<Question, Answer>): Group {
    let size = 0
    let count = 0
    for (const { question } of queue.waiting) {
      size += sizeOf(question)
      if (count > 0 && size > sizeMax) break
      count++
    }
    return queue.waiting.splice(0, count)
  }

  async function run(key: string, group: Group): Promise<void> {
    try {
      const answers = await answer(
        key,
        group.map(({ question }) => question),
      )
      for (const [at, { resolve, reject }] of group.entries()) {
        const found = answers[at]
        if (found === undefined) reject(new Error('a question of a group was not answered'))
        else resolve(found)
      }
    } catch (error) {
      // One of them may be what the others failed by.
      if (group.length > 1) for (const each of group) await run(key, [each])
      else for (const { reject } of group) reject(error)
    }
  }

  /** At the end of this turn of the event loop, so that all that arrived in it go together. */
  function begin(key: string, queue: Queue<Question, Answer>): void {
    if (queue.due || queue.running >= groupsMax || queue.waiting.length === 0) return
    queue.due = true
    setImmediate(() => {
      queue.due = false
      queue.running++
      void run(key, take(queue)).finally(() => {
        queue.running--
        if (queue.running === 0 && queue.waiting.length === 0) queues.delete(key)
        else begin(key, queue)
      })
      begin(key, queue)
    })
  }

  return (key, question) =>
    new Promise((resolve, reject) => {
      const queue = queues.get(key) ?? { waiting: [], running: 0, due: false }
      queues.set(key, queue)
      queue.waiting.push({ question, resolve, reject })
      begin(key, queue)
    })
}
