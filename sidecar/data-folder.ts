import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'

/** Makes the data folder if there is none. @throws if it cannot be written, with the folder, the reason and the remedy */
export async function prepareDataFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.W_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(
      `the data folder ${folder} cannot be written: ${reason}. Set ACC_DATA_DIR to a folder that this user may write`,
      { cause },
    )
  }
}
