import t from 'tap'
import { recordedPath } from '../events/recorded-path.ts'

t.test('a key in escapes is taken out of a path, whatever else in it is no escape', async (t) => {
  const secret = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'
  const key = `ghp%5F${secret}`
  const path = `/v1/x/${key}`
  const cut = `${path}/${'x'.repeat(4_095 - path.length - 2)}`
  for (const target of [path, `${path}/100%`, `${path}/%zz`, `${path}/%ff`, `${cut}%20y`, `${cut}x%20y`])
    t.notOk(recordedPath(target, false).includes(secret), target.slice(0, 80))
  t.equal(recordedPath('/v1/files/100%/a%20b', false), '/v1/files/100%/a%20b')
})
