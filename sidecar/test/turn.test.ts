import t from 'tap'
import { afterTurn, turnsEnd } from '../turn.ts'

const immediate = () => new Promise<void>((resolve) => setImmediate(resolve))

t.test('what is left to be done afterwards is done in the same turn, behind those who wait for its end', async (t) => {
  for (const asksFirst of [true, false]) {
    const order: string[] = []
    const request = async (name: string): Promise<void> => {
      await turnsEnd()
      order.push(name)
      await Promise.resolve()
      afterTurn(() => order.push(`${name} written`))
    }
    if (asksFirst) afterTurn(() => order.push('settled'))
    const both = [request('one'), request('two')]
    if (!asksFirst) afterTurn(() => order.push('settled'))
    await new Promise<void>((resolve) => setTimeout(resolve, 0))
    let turns = 0
    for (; order.length < 5 && turns < 5; turns++) await immediate()
    t.ok(turns <= 1, `${turns} turns later`)
    t.same(order, ['one', 'two', 'settled', 'one written', 'two written'])
    await Promise.all(both)
  }
})

t.test('work that asks for more work has it done in a turn to come', async (t) => {
  const order: string[] = []
  afterTurn(() => {
    order.push('first')
    afterTurn(() => order.push('second'))
    turnsEnd().then(() => order.push('next turn'))
  })
  for (let turns = 0; order.length < 3 && turns < 5; turns++) await immediate()
  t.same(order, ['first', 'next turn', 'second'])
})
