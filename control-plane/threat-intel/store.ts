import type { Tx } from '../db/database.ts'
import { indexRepository } from './index-repository.ts'
import { listRepository } from './list-repository.ts'
import type { ReadList } from './tasks.ts'
import { BadList } from './workshop.ts'

/** Most bytes of all texts of an organisation together. */
const ALL_BYTES_MAX = 256 * 1024 * 1024

/**
 * Puts a text in place of the one that a list had, in a transaction that changes it.
 * @returns whether it is another one @throws BadList where there is no room for it
 */
export async function storeText(tx: Tx, name: string, list: ReadList): Promise<boolean> {
  await indexRepository.lock(tx)
  const before = await listRepository.find(tx, name)
  if (before?.contentHash === list.hash) {
    await listRepository.checked(tx, name)
    return false
  }
  const { textBytes } = await listRepository.sums(tx)
  if (textBytes - (before?.contentBytes ?? 0) + list.textBytes > ALL_BYTES_MAX)
    throw new BadList(`with it the lists have more than ${ALL_BYTES_MAX / 1024 / 1024} MiB together: delete some first`)
  await listRepository.replace(tx, name, list)
  await indexRepository.revise(tx)
  return true
}
