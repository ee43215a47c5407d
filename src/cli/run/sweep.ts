import { readdir, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'

/** A run that has just made its folder listens in it by then, in ms. */
const YOUNG = 60_000

/**
 * Removes the folders of runs that were killed. There is nothing in them but a socket at which nobody answers.
 * @param parent where they stand
 * @param prefix how their names begin
 */
export async function sweep(parent: string, prefix: string): Promise<void> {
  const names = await readdir(parent).catch(() => [])
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const folder = join(parent, name)
    try {
      const { uid, mtimeMs } = await stat(folder)
      if (uid !== process.getuid?.() || Date.now() - mtimeMs < YOUNG) continue
      if (!(await answers(join(folder, 's')))) await rm(folder, { recursive: true, force: true })
    } catch {
      // Another run was faster.
    }
  }
}

/** Whether somebody listens there: a process id would say nothing where containers share the folder. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address)
    socket.unref()
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    )
  })
}
